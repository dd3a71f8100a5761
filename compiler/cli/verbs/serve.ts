/** `qc serve`: the demo page of an artifact, where a browser can open it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import { integerArgument } from '../arguments.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { serveFolder } from '../static-server.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & { readonly host: string; readonly port: number };

export function declareServe(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'serve <DIR>',
      summary: 'Serve a folder with a demo page to the browser on this machine, until Ctrl-C.',
      examples: [
        ['serve build', 'the page that compile --target wgsl --demo -o build wrote'],
        ['serve build --host 0.0.0.0', 'to other machines too; browsers then want HTTPS for WebGPU'],
      ],
    })
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0: any that is free', integerArgument(0), 8080)
    .action(host.action(serve));
}

async function serve(terminal: Terminal, { host, port }: Options, folder: string): Promise<Outcome> {
  const page = await stat(join(folder, 'index.html')).catch(() => undefined);
  if (page?.isFile() !== true) {
    fail('cli/no-page', `${JSON.stringify(folder)} has no index.html`, {
      help: 'compile with --target wgsl --demo, then serve the folder it wrote',
    });
  }
  const server = await serveFolder(folder, host, port);
  terminal.say(`serving ${folder} at ${server.url}    Ctrl-C ends it`);
  await new Promise<void>((resolve) => process.once('SIGTERM', resolve));
  await server.close();
  return { json: { url: server.url }, text: '' };
}
