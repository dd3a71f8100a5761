/**
 * Tensors kept beside the model. The file that a model names is as untrusted as the model: the name must stay inside the model's folder,
 * and offset and length are compared with what the tensor's shape needs before anything is opened or allocated.
 */
import type { OnnxTensor } from '../../backends/onnx/model.ts';
import { fail } from '../../ir/index.ts';

/**
 * Gives `length` bytes at `offset` of the file that a model calls `location` (relative, `/` between folders, no `..`). It rejects with a
 * QcError when there is no such file or the file ends too early.
 */
export type ExternalData = (location: string, offset: number, length: number) => Promise<Uint8Array>;

/** Fetches the bytes of an external tensor that occupies `size` bytes. */
export async function readExternal(
  tensor: OnnxTensor & { readonly payload: { readonly kind: 'external' } },
  size: number,
  read: ExternalData | undefined,
): Promise<Uint8Array> {
  const { entries } = tensor.payload;
  const label = `initializer ${JSON.stringify(tensor.name)}`;
  const location = entries['location'] ?? '';
  const problem = locationProblem(location);
  if (problem !== undefined) {
    fail(
      'onnx/external-data-path',
      `${label} lies in the file ${JSON.stringify(location)}, which ${problem}`,
      {
        help: 'external data must lie in the folder of the model or below it',
      },
    );
  }
  const offset = integerEntry(entries['offset'], 0, label, 'offset');
  const length = integerEntry(entries['length'], size, label, 'length');
  if (length !== size) {
    fail(
      'onnx/tensor-size',
      `${label} has ${length} bytes of external data, its shape [${tensor.dims.join(', ')}] needs ${size}`,
    );
  }
  if (read === undefined) {
    fail(
      'onnx/missing-external-data',
      `${label} lies in the file ${JSON.stringify(location)}, which was not given`,
      {
        help: 'load the model from its folder, or pass `externalData` to importOnnx',
      },
    );
  }
  const bytes = await read(location, offset, length);
  if (bytes.length !== length) {
    fail(
      'onnx/external-data-range',
      `${label}: ${bytes.length} bytes came back where ${length} were asked for`,
    );
  }
  return bytes;
}

/** Why a location may not be opened, in words. */
export function locationProblem(location: string): string | undefined {
  if (location === '') return 'has no name';
  if (location.includes('\0')) return 'has a NUL in its name';
  if (/^([/\\]|[A-Za-z]:)/.test(location)) return 'is an absolute path';
  if (location.split(/[/\\]/).includes('..')) return 'leads out of the folder of the model';
  return undefined;
}

function integerEntry(text: string | undefined, missing: number, label: string, what: string): number {
  if (text === undefined) return missing;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    fail(
      'onnx/external-data-range',
      `${label}: ${what} ${JSON.stringify(text)} of its external data is not an integer of at least 0`,
    );
  }
  return value;
}
