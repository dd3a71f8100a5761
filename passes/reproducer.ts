/**
 * What a failed pipeline leaves behind: the program before the failing pass as text, under a line that runs the rest of the pipeline. The
 * file is a filetest: it can be run again, made smaller, and kept.
 */
import { type BlobWriter, printGraph } from '../ir/text/index.ts';
import { printPipeline } from './pipeline/print.ts';
import type { PipelineFailure } from './run.ts';

/** The text of `reproducer.qir`. Large constants go to `blobs`, if there is one. */
export function reproducer(failure: PipelineFailure, blobs?: BlobWriter): string {
  const reason = failure.error instanceof Error ? failure.error.message : String(failure.error);
  return [
    `// RUN: ${printPipeline(failure.rest)}`,
    `// ${failure.pass} failed:`,
    ...reason.split('\n').map((line) => `//   ${line}`),
    printGraph(failure.graph, blobs === undefined ? {} : { blobs }),
  ].join('\n');
}
