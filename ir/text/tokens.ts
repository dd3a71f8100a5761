/**
 * The words of the text form. Keywords are identifiers too wherever a name may stand, so no attribute or op can collide with one.
 * A sigil and its name are one token: `%` marks inputs and results, `@` constants; names that are not plain are JSON strings.
 */
import { createToken, Lexer, type TokenType } from 'chevrotain';

const string = String.raw`"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"`;
const plainName = '[A-Za-z_0-9][A-Za-z_0-9.$-]*';

/** A JSON string. */
export const StringLiteral = createToken({
  name: 'String',
  label: 'a string',
  pattern: new RegExp(string),
  line_breaks: false,
});
export const LocalName = createToken({
  name: 'LocalName',
  label: 'a name such as %x',
  pattern: new RegExp(`%(?:${plainName}|${string})`),
  line_breaks: false,
});
export const GlobalName = createToken({
  name: 'GlobalName',
  label: 'a name such as @w',
  pattern: new RegExp(`@(?:${plainName}|${string})`),
  line_breaks: false,
});
export const Identifier = createToken({
  name: 'Identifier',
  label: 'an identifier',
  pattern: /[A-Za-z_][A-Za-z_0-9]*(?:[-.][A-Za-z_0-9]+)*/,
});

function keyword(word: string, ...categories: TokenType[]): TokenType {
  return createToken({
    name: `Keyword_${word}`,
    label: `'${word}'`,
    pattern: word,
    longer_alt: Identifier,
    categories: [Identifier, ...categories],
  });
}

function mark(name: string, text: string): TokenType {
  return createToken({ name, label: `'${text}'`, pattern: text });
}

/** What may stand where a number is read. */
export const NumberLiteral = createToken({ name: 'Number', label: 'a number', pattern: Lexer.NA });
export const IntegerLiteral = createToken({
  name: 'Integer',
  label: 'an integer',
  pattern: /-?\d+/,
  categories: [NumberLiteral],
});
export const FloatLiteral = createToken({
  name: 'Float',
  label: 'a number',
  pattern: /-?(?:\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)|-inf\b/,
  categories: [NumberLiteral],
});

export const Const = keyword('const');
export const Func = keyword('func');
export const Return = keyword('return');
export const Notes = keyword('notes');
export const Loc = keyword('loc');
export const Dense = keyword('dense');
export const Splat = keyword('splat');
export const Blob = keyword('blob');
export const True = keyword('true');
export const False = keyword('false');
export const Inf = keyword('inf', NumberLiteral);
export const Nan = keyword('nan', NumberLiteral);

export const Arrow = mark('Arrow', '->');
export const LeftParen = mark('LeftParen', '(');
export const RightParen = mark('RightParen', ')');
export const LeftBrace = mark('LeftBrace', '{');
export const RightBrace = mark('RightBrace', '}');
export const LeftBracket = mark('LeftBracket', '[');
export const RightBracket = mark('RightBracket', ']');
export const LeftAngle = mark('LeftAngle', '<');
export const RightAngle = mark('RightAngle', '>');
export const Comma = mark('Comma', ',');
export const Colon = mark('Colon', ':');
export const Equals = mark('Equals', '=');

const Blank = createToken({ name: 'Blank', pattern: /[ \t\r\n]+/, line_breaks: true, group: Lexer.SKIPPED });
const Comment = createToken({
  name: 'Comment',
  pattern: /\/\/[^\r\n]*/,
  line_breaks: false,
  group: Lexer.SKIPPED,
});

/** In the order the lexer tries them. */
export const allTokens: TokenType[] = [
  Blank,
  Comment,
  LocalName,
  GlobalName,
  StringLiteral,
  NumberLiteral,
  Arrow,
  Const,
  Func,
  Return,
  Notes,
  Loc,
  Dense,
  Splat,
  Blob,
  True,
  False,
  Inf,
  Nan,
  FloatLiteral,
  IntegerLiteral,
  Identifier,
  LeftParen,
  RightParen,
  LeftBrace,
  RightBrace,
  LeftBracket,
  RightBracket,
  LeftAngle,
  RightAngle,
  Comma,
  Colon,
  Equals,
];

export const graphLexer = new Lexer(allTokens, { positionTracking: 'full' });
