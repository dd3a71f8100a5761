/** The executor the compiler works with: ONNX Runtime, and the interpreter for a program that ONNX Runtime does not take. */
import { QcError } from '../../ir/index.ts';
import { interpreterExecutor } from '../../passes/interpreter-executor.ts';
import type { Executor, PassContext } from '../../passes/index.ts';
import { onnxRuntime } from './onnxruntime.ts';

/** `report` hears once, as a note, when the slow way is taken. */
export function quickExecutor(report: PassContext['report']): Executor {
  return {
    prepare: async (graph, wanted) => {
      try {
        return await onnxRuntime.prepare(graph, wanted);
      } catch (error) {
        if (!(error instanceof QcError)) throw error;
        report({
          code: 'executor/interpreter',
          severity: 'note',
          message: 'the float program runs in the interpreter, which is slow',
          notes: [error.message],
        });
        return interpreterExecutor.prepare(graph, wanted);
      }
    },
  };
}
