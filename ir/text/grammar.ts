/**
 * The grammar of the text form, LL(1), one generic form for every op: what an op is called and which attributes it takes is
 * the business of its declaration, not of the grammar.
 *
 *     graph     = { constant } "func" @name "(" [ input { "," input } ] ")" "->" "(" [ type { "," type } ] ")"
 *                 "{" { node } "return" [ operand { "," operand } ] "}"
 *     constant  = "const" @name ":" type "=" initial
 *     initial   = "dense" "<" "[" [ number { "," number } ] "]" ">" | "splat" "<" number ">" | "blob" "(" string "," integer ")"
 *     input     = %name ":" type [ "notes" entries ]
 *     node      = %name "=" identifier "(" [ operand { "," operand } ] ")" [ entries ] ":" type [ "notes" entries ] [ "loc" "(" location ")" ]
 *     operand   = %name | @name
 *     type      = identifier [ "<" identifier { "," identifier "=" ( number | @name ) } ">" ] "[" [ integer { "," integer } ] "]"
 *     entries   = "{" [ identifier "=" value { "," identifier "=" value } ] "}"
 *     value     = scalar | "[" [ scalar { "," scalar } ] "]"
 *     scalar    = number | string | "true" | "false"
 *     location  = string [ ":" integer ":" integer | "(" locations ")" ] | integer ":" integer | identifier "(" locations ")"
 *
 * Rules only collect tokens: a rule that recovers from an error may leave holes in the tree, and nobody looks at a tree with errors.
 */
import { EmbeddedActionsParser, type IToken } from 'chevrotain';
import { errorMessageProvider } from './syntax.ts';
import type {
  ConstantSyntax,
  EntrySyntax,
  GraphSyntax,
  InitialSyntax,
  LocationSyntax,
  NodeSyntax,
  ParameterSyntax,
  TypeSyntax,
} from './syntax-tree.ts';
import * as t from './tokens.ts';

class GraphParser extends EmbeddedActionsParser {
  constructor() {
    super(t.allTokens, { maxLookahead: 1, recoveryEnabled: true, errorMessageProvider });
    this.performSelfAnalysis();
  }

  graph = this.RULE('graph', (): GraphSyntax => {
    const constants: ConstantSyntax[] = [];
    const inputs: ParameterSyntax[] = [];
    const results: TypeSyntax[] = [];
    const nodes: NodeSyntax[] = [];
    const outputs: IToken[] = [];
    this.MANY(() => constants.push(this.SUBRULE(this.constant)));
    this.CONSUME(t.Func);
    const name = this.CONSUME(t.GlobalName);
    this.CONSUME(t.LeftParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => inputs.push(this.SUBRULE(this.parameter)) });
    this.CONSUME(t.RightParen);
    this.CONSUME(t.Arrow);
    this.CONSUME2(t.LeftParen);
    this.MANY_SEP2({ SEP: t.Comma, DEF: () => results.push(this.SUBRULE(this.type)) });
    this.CONSUME2(t.RightParen);
    this.CONSUME(t.LeftBrace);
    this.MANY2(() => nodes.push(this.SUBRULE(this.node)));
    const returnToken = this.CONSUME(t.Return);
    this.MANY_SEP3({ SEP: t.Comma, DEF: () => outputs.push(this.SUBRULE(this.operand)) });
    this.CONSUME(t.RightBrace);
    return { constants, name, inputs, results, nodes, returnToken, outputs };
  });

  constant = this.RULE('constant', (): ConstantSyntax => {
    this.CONSUME(t.Const);
    const name = this.CONSUME(t.GlobalName);
    this.CONSUME(t.Colon);
    const type = this.SUBRULE(this.type);
    this.CONSUME(t.Equals);
    const initial = this.SUBRULE(this.initial);
    return { name, type, initial };
  });

  initial = this.RULE('initial', (): InitialSyntax =>
    this.OR([
      {
        ALT: () => {
          const elements: IToken[] = [];
          const form = this.CONSUME(t.Dense);
          this.CONSUME(t.LeftAngle);
          this.CONSUME(t.LeftBracket);
          this.MANY_SEP({ SEP: t.Comma, DEF: () => elements.push(this.CONSUME(t.NumberLiteral)) });
          this.CONSUME(t.RightBracket);
          this.CONSUME(t.RightAngle);
          return { form, arguments: elements };
        },
      },
      {
        ALT: () => {
          const form = this.CONSUME(t.Splat);
          this.CONSUME2(t.LeftAngle);
          const element = this.CONSUME2(t.NumberLiteral);
          this.CONSUME2(t.RightAngle);
          return { form, arguments: [element] };
        },
      },
      {
        ALT: () => {
          const form = this.CONSUME(t.Blob);
          this.CONSUME(t.LeftParen);
          const file = this.CONSUME(t.StringLiteral);
          this.CONSUME(t.Comma);
          const offset = this.CONSUME(t.IntegerLiteral);
          this.CONSUME(t.RightParen);
          return { form, arguments: [file, offset] };
        },
      },
    ]),
  );

  parameter = this.RULE('parameter', (): ParameterSyntax => {
    const name = this.CONSUME(t.LocalName);
    this.CONSUME(t.Colon);
    const type = this.SUBRULE(this.type);
    const notes = this.SUBRULE(this.notes);
    return { name, type, notes };
  });

  node = this.RULE('node', (): NodeSyntax => {
    const operands: IToken[] = [];
    let attributes: EntrySyntax[] = [];
    let location: LocationSyntax | undefined;
    const name = this.CONSUME(t.LocalName);
    this.CONSUME(t.Equals);
    const op = this.CONSUME(t.Identifier);
    this.CONSUME(t.LeftParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => operands.push(this.SUBRULE(this.operand)) });
    this.CONSUME(t.RightParen);
    this.OPTION(() => {
      attributes = this.SUBRULE(this.entries);
    });
    this.CONSUME(t.Colon);
    const type = this.SUBRULE(this.type);
    const notes = this.SUBRULE(this.notes);
    this.OPTION2(() => {
      this.CONSUME(t.Loc);
      this.CONSUME2(t.LeftParen);
      location = this.SUBRULE(this.location);
      this.CONSUME2(t.RightParen);
    });
    return { name, op, operands, attributes, type, notes, location };
  });

  operand = this.RULE('operand', (): IToken =>
    this.OR([{ ALT: () => this.CONSUME(t.LocalName) }, { ALT: () => this.CONSUME(t.GlobalName) }]),
  );

  type = this.RULE('type', (): TypeSyntax => {
    const parameters: { key: IToken; value: IToken }[] = [];
    const shape: IToken[] = [];
    let storage: IToken | undefined;
    const head = this.CONSUME(t.Identifier);
    this.OPTION(() => {
      this.CONSUME(t.LeftAngle);
      storage = this.CONSUME2(t.Identifier);
      this.MANY(() => {
        this.CONSUME(t.Comma);
        const key = this.CONSUME3(t.Identifier);
        this.CONSUME(t.Equals);
        const value = this.OR([
          { ALT: () => this.CONSUME(t.NumberLiteral) },
          { ALT: () => this.CONSUME(t.GlobalName) },
        ]);
        parameters.push({ key, value });
      });
      this.CONSUME(t.RightAngle);
    });
    this.CONSUME(t.LeftBracket);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => shape.push(this.CONSUME(t.IntegerLiteral)) });
    this.CONSUME(t.RightBracket);
    return { head, storage, parameters, shape };
  });

  notes = this.RULE('notes', (): EntrySyntax[] | undefined =>
    this.OPTION(() => {
      this.CONSUME(t.Notes);
      return this.SUBRULE(this.entries);
    }),
  );

  entries = this.RULE('entries', (): EntrySyntax[] => {
    const entries: EntrySyntax[] = [];
    this.CONSUME(t.LeftBrace);
    this.MANY_SEP({
      SEP: t.Comma,
      DEF: () => {
        const key = this.CONSUME(t.Identifier);
        this.CONSUME(t.Equals);
        const value = this.SUBRULE(this.value);
        entries.push({ key, value });
      },
    });
    this.CONSUME(t.RightBrace);
    return entries;
  });

  value = this.RULE('value', (): IToken | IToken[] =>
    this.OR<IToken | IToken[]>([
      { ALT: () => this.SUBRULE(this.scalar) },
      {
        ALT: () => {
          const items: IToken[] = [];
          this.CONSUME(t.LeftBracket);
          this.MANY_SEP({ SEP: t.Comma, DEF: () => items.push(this.SUBRULE2(this.scalar)) });
          this.CONSUME(t.RightBracket);
          return items;
        },
      },
    ]),
  );

  scalar = this.RULE('scalar', (): IToken =>
    this.OR([
      { ALT: () => this.CONSUME(t.NumberLiteral) },
      { ALT: () => this.CONSUME(t.StringLiteral) },
      { ALT: () => this.CONSUME(t.True) },
      { ALT: () => this.CONSUME(t.False) },
    ]),
  );

  location = this.RULE('location', (): LocationSyntax =>
    this.OR([
      {
        ALT: () => {
          const position: IToken[] = [];
          let from: LocationSyntax[] | undefined;
          const head = this.CONSUME(t.StringLiteral);
          this.OPTION(() =>
            this.OR2([
              {
                ALT: () => {
                  this.CONSUME(t.Colon);
                  position.push(this.CONSUME(t.IntegerLiteral));
                  this.CONSUME2(t.Colon);
                  position.push(this.CONSUME2(t.IntegerLiteral));
                },
              },
              {
                ALT: () => {
                  from = this.SUBRULE(this.origins);
                },
              },
            ]),
          );
          return { head, position, from };
        },
      },
      {
        ALT: () => {
          const head = this.CONSUME3(t.IntegerLiteral);
          this.CONSUME3(t.Colon);
          const column = this.CONSUME4(t.IntegerLiteral);
          return { head, position: [column], from: undefined };
        },
      },
      {
        ALT: () => {
          const head = this.CONSUME(t.Identifier);
          const from = this.SUBRULE2(this.origins);
          return { head, position: [], from };
        },
      },
    ]),
  );

  origins = this.RULE('origins', (): LocationSyntax[] => {
    const from: LocationSyntax[] = [];
    this.CONSUME(t.LeftParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => from.push(this.SUBRULE(this.location)) });
    this.CONSUME(t.RightParen);
    return from;
  });
}

export const graphParser = new GraphParser();
