/**
 * Several small modules as one file, for a folder that is copied into a page: the text of each, after those it imports. Modules that are joined
 * share one scope, so they import one another by name, without renaming, and no two declare the same name; only what the first one
 * exports stays exported.
 */
import { posix } from 'node:path';

const reference = /^(?:import|export) (?:type )?(?:\{[^}]*\}|\*) from ['"](\.[^'"]*)['"];\n/gm;
const reexport = /^export (?:type )?\{([^}]*)\} from ['"]\./gm;
const exported =
  /^export (?=(?:declare |abstract |async )*(?:class|const|enum|function|interface|let|type) (\w+))/gm;

/** Joins what `entry` imports by relative paths; `read` gives the text of a file by its path. */
export async function joinModules(entry: string, read: (path: string) => Promise<string>): Promise<string> {
  const parts = new Map<string, string>();
  const visit = async (path: string): Promise<void> => {
    if (parts.has(path)) return;
    parts.set(path, '');
    const text = await read(path);
    for (const [, to] of text.matchAll(reference)) await visit(posix.join(posix.dirname(path), to!));
    // Set anew, so that it stands after what it needs.
    parts.delete(path);
    parts.set(path, text);
  };
  await visit(entry);
  const names = [...parts.get(entry)!.matchAll(reexport)].flatMap(([, list]) =>
    list!.split(',').map((name) => name.trim()),
  );
  const texts = [...parts].map(([path, text]) => {
    const own = text
      .replace(/^\/\/# sourceMappingURL=.*\n?/m, '')
      .replace(reference, '')
      .replace(/^export \{\};\n/m, '');
    return path === entry
      ? own
      : own.replace(exported, (mark, name: string) => (names.includes(name) ? mark : ''));
  });
  return (
    texts.map((text) => text.trim()).join('\n\n') + (entry.endsWith('.d.ts') ? '\n\nexport {};\n' : '\n')
  );
}
