/**
 * The grammar of layer selectors, LL(1):
 *
 *     rules     = [ rule { ";" rule } ]                       an empty rule (a last ";") is allowed
 *     rule      = [ selector "=" precision ]
 *     selector  = all { "," all }
 *     all       = condition { "&" condition }
 *     condition = [ "!" ] ( word [ ":" word ] | string )
 *     precision = word
 *
 * A word reaches to the next blank or sign; a class `[!a-c]` belongs to it. What a word means (`first`, a glob, the op of `op:`) is
 * decided after parsing.
 */
import { createToken, EmbeddedActionsParser, type IToken, Lexer } from 'chevrotain';
import { errorMessageProvider } from '../../ir/text/index.ts';

export const StringLiteral = createToken({
  name: 'String',
  label: 'a quoted name',
  pattern: /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/,
  line_breaks: false,
});
export const Word = createToken({
  name: 'Word',
  label: 'a name or pattern',
  pattern: /(?:\[[^\]\s]+\]|[^\s,;=&!:"()[\]])+/,
  line_breaks: false,
});
const mark = (name: string, text: string) => createToken({ name, label: `'${text}'`, pattern: text });
const Semicolon = mark('Semicolon', ';');
const Comma = mark('Comma', ',');
const Equals = mark('Equals', '=');
const And = mark('And', '&');
const Not = mark('Not', '!');
const Colon = mark('Colon', ':');
const Blank = createToken({ name: 'Blank', pattern: /[ \t\r\n]+/, line_breaks: true, group: Lexer.SKIPPED });

const tokens = [Blank, StringLiteral, Semicolon, Comma, Equals, And, Not, Colon, Word];

export interface ConditionSyntax {
  readonly not: boolean;
  readonly head: IToken;
  /** What follows `:`. */
  readonly value: IToken | undefined;
}

export interface RuleSyntax {
  readonly first: IToken;
  readonly selector: readonly (readonly ConditionSyntax[])[];
  readonly precision: IToken;
}

class SelectorParser extends EmbeddedActionsParser {
  constructor() {
    super(tokens, { maxLookahead: 1, errorMessageProvider });
    this.performSelfAnalysis();
  }

  rules = this.RULE('rules', (): RuleSyntax[] => {
    const rules: RuleSyntax[] = [];
    this.OPTION(() => rules.push(this.SUBRULE(this.rule)));
    this.MANY(() => {
      this.CONSUME(Semicolon);
      this.OPTION2(() => rules.push(this.SUBRULE2(this.rule)));
    });
    return rules;
  });

  rule = this.RULE('rule', (): RuleSyntax => {
    const first = this.LA(1);
    const selector = this.SUBRULE(this.selector);
    this.CONSUME(Equals);
    const precision = this.CONSUME(Word);
    return { first, selector, precision };
  });

  selector = this.RULE('selector', (): ConditionSyntax[][] => {
    const alternatives: ConditionSyntax[][] = [];
    this.AT_LEAST_ONE_SEP({ SEP: Comma, DEF: () => alternatives.push(this.SUBRULE(this.all)) });
    return alternatives;
  });

  all = this.RULE('all', (): ConditionSyntax[] => {
    const conditions: ConditionSyntax[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: And, DEF: () => conditions.push(this.SUBRULE(this.condition)) });
    return conditions;
  });

  condition = this.RULE('condition', (): ConditionSyntax => {
    let not = false;
    let value: IToken | undefined;
    this.OPTION(() => {
      this.CONSUME(Not);
      not = true;
    });
    const head = this.OR([
      {
        ALT: () => {
          const word = this.CONSUME(Word);
          this.OPTION2(() => {
            this.CONSUME(Colon);
            value = this.CONSUME2(Word);
          });
          return word;
        },
      },
      { ALT: () => this.CONSUME(StringLiteral) },
    ]);
    return { not, head, value };
  });
}

export const selectorLexer = new Lexer(tokens, { positionTracking: 'full' });
export const selectorParser = new SelectorParser();
