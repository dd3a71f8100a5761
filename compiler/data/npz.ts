/**
 * NumPy's `.npz`: a zip of `.npy` files, one a name, as bytes.
 *
 * The name of an entry is the name of a tensor, and those come from models: a segment `..`, a backslash, a control character or a
 * `%` is written percent-encoded (and decoded on reading), so that unpacking such a zip anywhere can't leave its folder. Ordinary
 * names, with slashes, stay as they are and are what `np.load` shows. Equal tensors give equal bytes: the time stamp is fixed.
 */
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { fail } from '../../ir/diagnostics.ts';
import { type NpyArray, readNpy, writeNpy } from './npy.ts';

/** What all entries of an archive may unpack to: the sizes are checked before any of it is unpacked. */
const largestContents = 2 ** 31;

/** A stored (uncompressed) zip, as `np.savez` writes it: activations don't compress enough to wait for. */
export function writeNpz(arrays: ReadonlyMap<string, NpyArray>): Uint8Array {
  const entries: Zippable = {};
  for (const [name, array] of arrays) entries[`${encodeName(name)}.npy`] = writeNpy(array);
  // Zip's own epoch, in local time because that is what fflate reads back out of a Date.
  return zipSync(entries, { level: 0, mtime: new Date(1980, 0, 1) });
}

/** Every `.npy` of the archive by name. Fails with `data/npz` if the zip is damaged or would unpack to more than 2 GiB. */
export function readNpz(bytes: Uint8Array, what: string): Map<string, NpyArray> {
  let total = 0;
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        if (!name.endsWith('.npy')) return false;
        total += originalSize;
        return total <= largestContents;
      },
    });
  } catch (error) {
    return fail(
      'data/npz',
      `${what} is not a readable .npz: ${error instanceof Error ? error.message : 'bad zip'}`,
    );
  }
  if (total > largestContents) {
    fail('data/npz', `${what} would unpack to ${total} bytes; ${largestContents} are the most`);
  }
  const arrays = new Map<string, NpyArray>();
  for (const [entry, content] of Object.entries(entries)) {
    const name = decodeName(entry.slice(0, -'.npy'.length));
    arrays.set(name, readNpy(content, `${JSON.stringify(name)} in ${what}`));
  }
  return arrays;
}

function encodeName(name: string): string {
  return name
    .split('/')
    .map((segment) => (segment === '..' ? '%2e%2e' : segment.replace(unsafeCharacter, percent)))
    .join('/');
}

const unsafeCharacter = /[\x00-\x1f\x7f\\%]/g;

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function decodeName(name: string): string {
  return name.replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
