/**
 * Several small modules as one file, for a folder that is copied into a page: the text of each, after those it imports. Modules that are joined
 * share one scope, so they import one another by name, without renaming, and no two declare the same name; only what the first one
 * exports stays exported.
 */
import { posix } from 'node:path';

const reference = /^(import|export) (type )?(\{[^}]*\}|\*) from ['"](\.[^'"]*)['"];\n/gm;
const laterReference = /import\(['"](\.[^'"]*)['"]\)/g;
const reexport = /^export (?:type )?\{([^}]*)\} from ['"]\./gm;
const exported =
  /^export (?=(?:declare |abstract |async )*(?:class|const|enum|function|interface|let|type) (\w+))/gm;

/**
 * Joins what `entry` imports by relative paths; `read` gives the text of a file by its path. What `apart` knows, by its path without an extension, is
 * not joined but imported, from where `apart` says.
 */
export async function joinModules(
  entry: string,
  read: (path: string) => Promise<string>,
  apart: ReadonlyMap<string, string> = new Map(),
): Promise<string> {
  const pathOf = (from: string, to: string): string => posix.join(posix.dirname(from), to);
  const elsewhere = (from: string, to: string): string | undefined =>
    apart.get(pathOf(from, to).replace(/(?:\.d)?\.\w+$/, ''));
  const parts = new Map<string, string>();
  const visit = async (path: string): Promise<void> => {
    if (parts.has(path)) return;
    parts.set(path, '');
    const text = await read(path);
    for (const [, , , , to] of text.matchAll(reference))
      if (elsewhere(path, to!) === undefined) await visit(pathOf(path, to!));
    // Set anew, so that it stands after what it needs.
    parts.delete(path);
    parts.set(path, text);
  };
  await visit(entry);
  const names = [...parts.get(entry)!.matchAll(reexport)].flatMap(([, list]) =>
    list!.split(',').map((name) => name.trim()),
  );
  const imports = new Set<string>();
  const texts = [...parts].map(([path, text]) => {
    const own = text
      .replace(/^\/\/# sourceMappingURL=.*\n?/m, '')
      .replace(reference, (_, verb: string, type: string | undefined, list: string, to: string) => {
        const module = elsewhere(path, to);
        if (module !== undefined) imports.add(`${verb} ${type ?? ''}${list} from '${module}';`);
        return '';
      })
      .replace(laterReference, (mark, to: string) => {
        const module = elsewhere(path, to);
        return module === undefined ? mark : `import('${module}')`;
      })
      .replace(/^export \{\};\n/m, '');
    return path === entry
      ? own
      : own.replace(exported, (mark, name: string) => (names.includes(name) ? mark : ''));
  });
  return (
    [[...imports].join('\n'), ...texts]
      .map((text) => text.trim())
      .filter((text) => text !== '')
      .join('\n\n') + (entry.endsWith('.d.ts') ? '\n\nexport {};\n' : '\n')
  );
}

/**
 * JavaScript without empty lines and comments that have lines of their own, and with one space for each level: what a page loads. Who reads it finds the types beside it
 * and the sources in the package. (No text of the runtime spans lines.)
 */
export const forPages = (text: string): string =>
  text
    .replace(/^[ \t]*(?:\/\*[^]*?\*\/|\/\/.*)\n/gm, '')
    .replace(/^ +/gm, (spaces) => ' '.repeat(spaces.length / 4))
    .replace(/\n{2,}/g, '\n');
