/** `serveFolder` of the runtime, with the errors of the command line. */
import { fail } from '../../ir/index.ts';
import { serveFolder as serve, type StaticServer } from '../../runtime/train/node-static-server.ts';

export type { StaticServer };

/** Serves `folder` until it is closed. Port 0 is any that is free. Fails with `cli/port` where it cannot listen. */
export async function serveFolder(folder: string, host: string, port: number): Promise<StaticServer> {
  return serve(folder, host, port).catch((error: unknown) =>
    fail('cli/port', `cannot listen on ${host}, port ${port}: ${(error as Error).message}`, {
      help: 'choose another with --port; 0 takes any that is free',
    }),
  );
}
