/**
 * The parser: text to a verified graph. A text may come from anyone. Its length, the nesting of its locations, its extents and
 * the number of its constants' elements are bounded before memory or stack is taken.
 *
 * Errors come in stages (words and grammar, then meaning, then the verifier's laws), all of one stage at once, each with
 * line, column and a code frame. A verifier's finding points at the line of the node that breaks the law, not at where the node once came from.
 */
import { type Diagnostic, QcError } from '../diagnostics.ts';
import type { Graph } from '../graph.ts';
import { verify } from '../verify.ts';
import { buildGraph } from './build.ts';
import { graphParser } from './grammar.ts';
import { deepestLocation } from './location.ts';
import {
  codeFrame,
  diagnosticAt,
  mostDiagnostics,
  Source,
  spanOf,
  syntaxDiagnostics,
  tooDeep,
} from './syntax.ts';
import { graphLexer, LeftParen, RightParen } from './tokens.ts';

export interface ParseOptions {
  /** What diagnostics call the text. */
  readonly file?: string;
  /** The bytes of a blob file by its plain name, or undefined when there is no such file. */
  readonly blobs?: (file: string) => Uint8Array | undefined;
  /** `false` accepts a graph that breaks the verifier's laws. */
  readonly verify?: boolean;
  /** Elements that all constants together may have. Default 2^28: 1 GiB of f32. */
  readonly maxConstantElements?: number;
  /** Characters of the text. Default 2^27. */
  readonly maxLength?: number;
}

/** Reads a graph. Throws a QcError with everything found wrong at the first stage that finds something. */
export function parseGraph(text: string, options: ParseOptions = {}): Graph {
  const source = new Source(text, options.file);
  const { maxLength = 2 ** 27, maxConstantElements = 2 ** 28 } = options;
  if (text.length > maxLength) {
    throw new QcError({
      code: 'text/too-long',
      severity: 'error',
      message: `the text has ${text.length} characters, expected at most ${maxLength}`,
    });
  }
  const { tokens, errors } = graphLexer.tokenize(text);
  const deep = tooDeep(tokens, LeftParen, RightParen, deepestLocation);
  if (deep !== undefined) {
    const message = `parentheses nest more than ${deepestLocation} deep`;
    throw new QcError(diagnosticAt(source, spanOf(deep, source), 'text/nesting', message));
  }
  graphParser.input = tokens;
  const syntax = graphParser.graph();
  demandNone(syntaxDiagnostics(source, 'text', errors, graphParser.errors));

  const { blobs } = options;
  const { graph, found, places } = buildGraph(syntax, source, {
    maxConstantElements,
    ...(blobs === undefined ? {} : { blobs }),
  });
  demandNone(found);
  if (options.verify !== false) {
    const broken = verify(graph, undefined, places).slice(0, mostDiagnostics);
    demandNone(broken.map((diagnostic) => framed(diagnostic, source)));
  }
  return graph;
}

function demandNone(found: readonly Diagnostic[]): void {
  if (found.length > 0) throw new QcError(found);
}

function framed(diagnostic: Diagnostic, source: Source): Diagnostic {
  const { location } = diagnostic;
  if (location?.kind !== 'text') return diagnostic;
  const frame = codeFrame(source, { ...location, length: 1 });
  return { ...diagnostic, notes: [frame, ...(diagnostic.notes ?? [])] };
}
