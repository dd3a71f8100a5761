/**
 * The last line of a run: `N passed, N failed`, with `, N skipped` where there are any. Counts Jest's tests; a test file that could not
 * be read counts as one failure, and so does each check outside Jest (build, types, lint) that failed.
 *
 *   node .ci/closing-line.js REPORT.json FAILED_CHECKS
 */
import { existsSync, readFileSync } from 'node:fs';

const [report, failedChecks] = process.argv.slice(2);
const jest = existsSync(report)
  ? JSON.parse(readFileSync(report, 'utf8'))
  : {
      numPassedTests: 0,
      numFailedTests: 1,
      numPendingTests: 0,
      numTodoTests: 0,
      numRuntimeErrorTestSuites: 0,
    };
const failed = jest.numFailedTests + jest.numRuntimeErrorTestSuites + Number(failedChecks);
const skipped = jest.numPendingTests + jest.numTodoTests;
console.log(`${jest.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || jest.numPassedTests === 0 ? 1 : 0;
