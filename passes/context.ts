/** A context for passes from what is at hand; the rest is silent, and execution is the interpreter's. */
import { interpreterExecutor } from './interpreter-executor.ts';
import type { PassContext } from './pass.ts';

export function createContext(given: Partial<PassContext> = {}): PassContext {
  return {
    executor: interpreterExecutor,
    report: () => undefined,
    explain: () => undefined,
    progress: () => undefined,
    ...given,
  };
}
