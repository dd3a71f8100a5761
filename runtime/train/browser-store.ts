/** Checkpoints in a browser: one record of IndexedDB for each training, replaced whole in one transaction. */
import {
  type Checkpoint,
  type CheckpointDescription,
  checkpointFormat,
  type CheckpointStore,
} from './checkpoint.ts';

const storeName = 'trainings';

interface Kept {
  readonly description?: CheckpointDescription;
  readonly elements?: Uint8Array;
  readonly metrics: string;
}

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error('the browser keeps no checkpoint', { cause: request.error }));
    };
  });

export type BrowserStore = CheckpointStore & {
  /** Begins again: nothing is kept any more. */
  readonly forget: () => Promise<void>;
};

/** The store of the training called `key`; what another page of this origin left under it is found again. */
export async function browserStore(key: string): Promise<BrowserStore> {
  const opening = indexedDB.open('qc-training', 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(storeName);
  };
  const database = await settled(opening);
  const read = async (): Promise<Kept> => {
    const transaction = database.transaction(storeName);
    const kept = (await settled(transaction.objectStore(storeName).get(key))) as Kept | undefined;
    return kept ?? { metrics: '' };
  };
  const write = async (kept: Kept): Promise<void> => {
    const transaction = database.transaction(storeName, 'readwrite');
    await settled(transaction.objectStore(storeName).put(kept, key));
  };
  return {
    load: async (): Promise<Checkpoint | undefined> => {
      const { description, elements } = await read();
      if (description === undefined || elements === undefined) return undefined;
      if ((description.format as string) !== checkpointFormat) return undefined;
      return { description, stored: { tensors: description.tensors, bytes: elements } };
    },
    save: async (description, elements) => write({ ...(await read()), description, elements }),
    readMetrics: async () => (await read()).metrics,
    writeMetrics: async (metrics) => write({ ...(await read()), metrics }),
    appendMetrics: async (line) => {
      const kept = await read();
      await write({ ...kept, metrics: kept.metrics + line });
    },
    forget: async () => write({ metrics: '' }),
  };
}
