/** Which programs this machine has. */
import { execFileSync } from 'node:child_process';

/** Whether a program answers to `--version`. */
export function hasCommand(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
