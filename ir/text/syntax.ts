/**
 * From what chevrotain reports to diagnostics: one wording and one code frame for every small language of the project (graphs,
 * pipelines, selectors).
 *
 * A parser that recovers from an error may stumble again over the rest of the same statement. Statements are lines here, so only
 * the first syntax error of a line is kept: what remains are mistakes the author made, not echoes of them.
 */
import {
  EOF,
  type ILexingError,
  type IParserErrorMessageProvider,
  type IRecognitionException,
  type IToken,
  tokenLabel,
  type TokenType,
} from 'chevrotain';
import type { Diagnostic, Location } from '../diagnostics.ts';

/** The text under the parser, and what diagnostics call it. */
export class Source {
  readonly text: string;
  readonly file: string | undefined;
  #lines: string[] | undefined;

  constructor(text: string, file?: string) {
    this.text = text;
    this.file = file;
  }

  get lines(): readonly string[] {
    this.#lines ??= this.text.split(/\r\n?|\n/);
    return this.#lines;
  }
}

/** More errors than this in one text are not told one by one. */
export const mostDiagnostics = 50;

/** A place in a source: one-based line and column in UTF-16 units, and how much of the line it covers. */
export interface Span {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

const widestFrame = 100;

/** The line of a span and a marker under it. Long lines are cut to the part around the span; control characters become blanks. */
export function codeFrame(source: Source, span: Span): string {
  const line = source.lines[span.line - 1] ?? '';
  const from = Math.max(0, Math.min(span.column - 1 - widestFrame / 2, line.length - widestFrame));
  const shown = line.slice(from, from + widestFrame).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  const gutter = String(span.line);
  const start = span.column - 1 - from;
  const marks = '^'.repeat(Math.max(1, Math.min(span.length, shown.length - start)));
  return `${gutter} | ${shown}\n${' '.repeat(gutter.length)} | ${' '.repeat(start)}${marks}`;
}

export function locationIn(source: Source, span: Span): Location {
  const { line, column } = span;
  return source.file === undefined
    ? { kind: 'text', line, column }
    : { kind: 'text', file: source.file, line, column };
}

/** An error at a place of a source, with its code frame as the first note. */
export function diagnosticAt(source: Source, span: Span, code: string, message: string): Diagnostic {
  return {
    code,
    severity: 'error',
    message,
    location: locationIn(source, span),
    notes: [codeFrame(source, span)],
  };
}

/** Where a token stands. The end of the text has no token of its own: it stands after the last character. */
export function spanOf(token: IToken, source: Source): Span {
  if (token.tokenType !== EOF && Number.isFinite(token.startOffset)) {
    return { line: token.startLine ?? 1, column: token.startColumn ?? 1, length: token.image.length };
  }
  return { line: source.lines.length, column: source.lines.at(-1)!.length + 1, length: 1 };
}

/** Text quoted from a source into a message: one line, never long. */
export function excerpt(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}

function found(tokens: readonly IToken[]): string {
  const [token] = tokens;
  return token === undefined || token.tokenType === EOF ? 'the end' : `'${excerpt(token.image)}'`;
}

function oneOf(types: readonly TokenType[]): string {
  const labels = [...new Set(types.map(tokenLabel))];
  return labels.length === 1 ? labels[0]! : `${labels.slice(0, -1).join(', ')} or ${labels.at(-1)!}`;
}

/** Messages that say what was expected and what was found. Token labels read as they are written. */
export const errorMessageProvider: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, actual }) =>
    `expected ${oneOf([expected])}, found ${found([actual])}`,
  buildNotAllInputParsedMessage: ({ firstRedundant }) => `expected the end, found ${found([firstRedundant])}`,
  buildNoViableAltMessage: ({ expectedPathsPerAlt, actual }) =>
    `expected ${oneOf(expectedPathsPerAlt.flat().flatMap((path) => path.slice(0, 1)))}, found ${found(actual)}`,
  buildEarlyExitMessage: ({ expectedIterationPaths, actual }) =>
    `expected ${oneOf(expectedIterationPaths.flatMap((path) => path.slice(0, 1)))}, found ${found(actual)}`,
};

/** Everything that lexer and parser found, in order of the text, under the codes `<area>/character` and `<area>/syntax`. */
export function syntaxDiagnostics(
  source: Source,
  area: string,
  lexing: readonly ILexingError[],
  parsing: readonly IRecognitionException[],
): Diagnostic[] {
  const all = [
    ...lexing.map(({ line, column, offset, length }) => {
      const text = source.text.slice(offset, offset + length);
      const message = text.startsWith('"')
        ? 'this string is not closed, or not written as JSON writes it'
        : `'${excerpt(text)}' means nothing here`;
      return { code: 'character', span: { line: line ?? 1, column: column ?? 1, length }, message };
    }),
    ...parsing.map((error) => ({
      code: 'syntax',
      span: spanOf(error.token, source),
      message: error.message,
    })),
  ].sort((a, b) => a.span.line - b.span.line || a.span.column - b.span.column);
  const lines = new Set<number>();
  return all
    .filter(({ span }) => !lines.has(span.line) && lines.add(span.line))
    .slice(0, mostDiagnostics)
    .map(({ code, span, message }) => diagnosticAt(source, span, `${area}/${code}`, message));
}

/** The first opening bracket that lies deeper than `limit`: recursive descent must not follow it. */
export function tooDeep(
  tokens: readonly IToken[],
  open: TokenType,
  close: TokenType,
  limit: number,
): IToken | undefined {
  let depth = 0;
  for (const token of tokens) {
    if (token.tokenType === open && ++depth > limit) return token;
    if (token.tokenType === close) depth--;
  }
  return undefined;
}
