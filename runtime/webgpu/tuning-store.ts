/** Tunings in IndexedDB, one for each program and adapter. Where there is none, or it fails, nothing is kept: a tuning can be made again. */
import type { Tuning } from './program.ts';

const [database, store] = ['qc-tunings', 'tunings'];

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error('IndexedDB fails', { cause: request.error }));
    };
  });

async function inStore<T>(
  mode: IDBTransactionMode,
  work: (tunings: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  const { indexedDB: here } = globalThis as { readonly indexedDB?: IDBFactory };
  if (here === undefined) return undefined;
  try {
    const opening = here.open(database, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore(store);
    };
    const opened = await settled(opening);
    try {
      return await settled(work(opened.transaction(store, mode).objectStore(store)));
    } finally {
      opened.close();
    }
  } catch {
    return undefined;
  }
}

export const keptTuning = (program: string, adapter: string): Promise<Tuning | undefined> =>
  inStore<unknown>('readonly', (tunings) => tunings.get(`${program} ${adapter}`)) as Promise<
    Tuning | undefined
  >;

export async function keepTuning(tuning: Tuning): Promise<void> {
  await inStore('readwrite', (tunings) => tunings.put(tuning, `${tuning.program} ${tuning.adapter}`));
}
