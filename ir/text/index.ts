/**
 * The text form of graphs. Apart from the IR itself, so that a program that never reads or prints one does not carry a parser.
 */
export { BlobWriter, blobAlignment, isBlobName, packedSize, packElements, unpackElements } from './blob.ts';
export { parseGraph, type ParseOptions } from './parse.ts';
export { defaultInlineLimit, printGraph, printNode, type PrintOptions } from './print.ts';
export {
  codeFrame,
  diagnosticAt,
  errorMessageProvider,
  excerpt,
  Source,
  type Span,
  spanOf,
  syntaxDiagnostics,
  tooDeep,
} from './syntax.ts';
export { floatOf, formatValue, integerOf } from './literal.ts';
