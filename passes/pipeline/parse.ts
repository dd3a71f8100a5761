/**
 * From a pipeline string to a pipeline. Numbers are float32 where they are written with a point or an exponent, as everywhere in the
 * IR; `true` and `false` are booleans; any other bare word is a string.
 */
import type { IToken } from 'chevrotain';
import { type AttributeValue, QcError } from '../../ir/index.ts';
import {
  diagnosticAt,
  excerpt,
  floatOf,
  integerOf,
  Source,
  spanOf,
  syntaxDiagnostics,
  tooDeep,
} from '../../ir/text/index.ts';
import {
  LeftParen,
  NumberLiteral,
  type OptionSyntax,
  pipelineLexer,
  pipelineParser,
  RightParen,
  type StepSyntax,
  StringLiteral,
} from './grammar.ts';
import { deepestRepeat, type Pipeline } from './pipeline.ts';

/** Reads a pipeline. `file` is what errors call the string. Throws a QcError that names the column. */
export function parsePipeline(text: string, file = 'pipeline'): Pipeline {
  const source = new Source(text, file);
  const { tokens, errors } = pipelineLexer.tokenize(text);
  const deep = tooDeep(tokens, LeftParen, RightParen, deepestRepeat);
  if (deep !== undefined) fail(source, deep, 'nesting', `repeat nests more than ${deepestRepeat} deep`);
  pipelineParser.input = tokens;
  const steps = pipelineParser.pipeline();
  const found = syntaxDiagnostics(source, 'pipeline', errors, pipelineParser.errors);
  if (found.length > 0) throw new QcError(found);
  return steps.map((step) => readStep(step, source));
}

function fail(source: Source, token: IToken, code: string, message: string): never {
  throw new QcError(diagnosticAt(source, spanOf(token, source), `pipeline/${code}`, message));
}

function readStep(step: StepSyntax, source: Source): Pipeline[number] {
  if (step.kind === 'repeat')
    return { kind: 'repeat', body: step.body.map((inner) => readStep(inner, source)) };
  return { kind: 'pass', name: step.name.image, options: readOptions(step.options, source) };
}

function readOptions(options: readonly OptionSyntax[], source: Source): Record<string, AttributeValue> {
  const values = new Map<string, AttributeValue>();
  for (const { key, value } of options) {
    if (values.has(key.image)) fail(source, key, 'duplicate-option', `${excerpt(key.image)} is given twice`);
    values.set(
      key.image,
      Array.isArray(value)
        ? (value as IToken[]).map((item) => readNumber(item, source))
        : readScalar(value as IToken, source),
    );
  }
  return Object.fromEntries(values);
}

function readScalar(token: IToken, source: Source): AttributeValue {
  if (token.tokenType === NumberLiteral) return readNumber(token, source);
  if (token.tokenType === StringLiteral) return JSON.parse(token.image) as string;
  if (token.image === 'inf') return Infinity;
  return token.image === 'true' || token.image === 'false' ? token.image === 'true' : token.image;
}

function readNumber(token: IToken, source: Source): number {
  const value = /^-?\d+$/.test(token.image) ? integerOf(token.image) : floatOf(token.image);
  return (
    value ?? fail(source, token, 'number-range', `${excerpt(token.image)} is beyond the range of numbers`)
  );
}
