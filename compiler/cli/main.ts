#!/usr/bin/env node
/** `qc`: the process around the command line. */
import process from 'node:process';
import { processStreams } from './process-streams.ts';
import { runCommandLine } from './program.ts';

process.exitCode = await runCommandLine(process.argv.slice(2), processStreams());
