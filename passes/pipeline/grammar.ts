/**
 * The grammar of pipeline strings, LL(1):
 *
 *     pipeline = [ step { "," step } ]
 *     step     = "repeat" "(" pipeline ")" | word [ "{" [ option { "," option } ] "}" ]
 *     option   = word "=" value
 *     value    = scalar | "[" [ number { "," number } ] "]"
 *     scalar   = number | word | string
 */
import { createToken, EmbeddedActionsParser, type IToken, Lexer } from 'chevrotain';
import { errorMessageProvider } from '../../ir/text/index.ts';

export const StringLiteral = createToken({
  name: 'String',
  label: 'a string',
  pattern: /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/,
  line_breaks: false,
});
export const Word = createToken({
  name: 'Word',
  label: 'a name',
  pattern: /[A-Za-z_][A-Za-z_0-9]*(?:[-.][A-Za-z_0-9]+)*/,
});
export const NumberLiteral = createToken({
  name: 'Number',
  label: 'a number',
  pattern: /-?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf\b)/,
});
const Repeat = createToken({
  name: 'Repeat',
  label: "'repeat'",
  pattern: 'repeat',
  longer_alt: Word,
});
const mark = (name: string, text: string) => createToken({ name, label: `'${text}'`, pattern: text });
export const LeftParen = mark('LeftParen', '(');
export const RightParen = mark('RightParen', ')');
const LeftBrace = mark('LeftBrace', '{');
const RightBrace = mark('RightBrace', '}');
const LeftBracket = mark('LeftBracket', '[');
const RightBracket = mark('RightBracket', ']');
const Comma = mark('Comma', ',');
const Equals = mark('Equals', '=');
const Blank = createToken({ name: 'Blank', pattern: /[ \t\r\n]+/, line_breaks: true, group: Lexer.SKIPPED });

const tokens = [
  Blank,
  StringLiteral,
  Repeat,
  NumberLiteral,
  Word,
  LeftParen,
  RightParen,
  LeftBrace,
  RightBrace,
  LeftBracket,
  RightBracket,
  Comma,
  Equals,
];

export interface OptionSyntax {
  readonly key: IToken;
  readonly value: IToken | readonly IToken[];
}

export type StepSyntax =
  | { readonly kind: 'repeat'; readonly body: readonly StepSyntax[] }
  | { readonly kind: 'pass'; readonly name: IToken; readonly options: readonly OptionSyntax[] };

class PipelineParser extends EmbeddedActionsParser {
  constructor() {
    super(tokens, { maxLookahead: 1, errorMessageProvider });
    this.performSelfAnalysis();
  }

  pipeline = this.RULE('pipeline', (): StepSyntax[] => {
    const steps: StepSyntax[] = [];
    this.MANY_SEP({ SEP: Comma, DEF: () => steps.push(this.SUBRULE(this.step)) });
    return steps;
  });

  step = this.RULE('step', (): StepSyntax =>
    this.OR<StepSyntax>([
      {
        ALT: () => {
          this.CONSUME(Repeat);
          this.CONSUME(LeftParen);
          const body = this.SUBRULE(this.pipeline);
          this.CONSUME(RightParen);
          return { kind: 'repeat', body };
        },
      },
      {
        ALT: () => {
          const options: OptionSyntax[] = [];
          const name = this.CONSUME(Word);
          this.OPTION(() => {
            this.CONSUME(LeftBrace);
            this.MANY_SEP({ SEP: Comma, DEF: () => options.push(this.SUBRULE(this.setting)) });
            this.CONSUME(RightBrace);
          });
          return { kind: 'pass', name, options };
        },
      },
    ]),
  );

  setting = this.RULE('setting', (): OptionSyntax => {
    const key = this.CONSUME(Word);
    this.CONSUME(Equals);
    const value = this.SUBRULE(this.value);
    return { key, value };
  });

  value = this.RULE('value', (): IToken | IToken[] =>
    this.OR<IToken | IToken[]>([
      { ALT: () => this.SUBRULE(this.scalar) },
      {
        ALT: () => {
          const items: IToken[] = [];
          this.CONSUME(LeftBracket);
          this.MANY_SEP({ SEP: Comma, DEF: () => items.push(this.CONSUME(NumberLiteral)) });
          this.CONSUME(RightBracket);
          return items;
        },
      },
    ]),
  );

  scalar = this.RULE('scalar', (): IToken =>
    this.OR([
      { ALT: () => this.CONSUME(NumberLiteral) },
      { ALT: () => this.CONSUME(Word) },
      { ALT: () => this.CONSUME(StringLiteral) },
      { ALT: () => this.CONSUME(Repeat) },
    ]),
  );
}

export const pipelineLexer = new Lexer(tokens, { positionTracking: 'full' });
export const pipelineParser = new PipelineParser();
