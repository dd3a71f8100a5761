/** The process around the measurements: `npm run bench -- VERB`. */
import process from 'node:process';
import { processStreams } from '../compiler/cli/process-streams.ts';
import { runBench } from './command-line.ts';

process.exitCode = await runBench(process.argv.slice(2), processStreams());
