/** The command that shows a project's page: serves its folder to a browser on this machine, until Ctrl-C. */
import { fileURLToPath } from 'node:url';
import { serveFolder } from './node-static-server.ts';

/** Serves the project in `folder`. `args` may hold a port; the default is 8081, 0 any that is free. Returns the exit status where it cannot. */
export async function servePage(folder: URL, args: readonly string[]): Promise<number> {
  const port = Number(args[0] ?? 8081);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    process.stderr.write(`error: ${args[0]!} is no port\n`);
    return 2;
  }
  try {
    const { url } = await serveFolder(fileURLToPath(folder), '127.0.0.1', port);
    process.stdout.write(`training page at ${url}    Ctrl-C ends it\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}: try npm run page -- 0\n`);
    return 2;
  }
}
