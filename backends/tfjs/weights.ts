/** The tensors of a model beside its project: a description in JSON, and their elements as float32 in one file. */
import type { ModelSummary } from '../../runtime/train/checkpoint.ts';
import type { EmittedFile } from '../backend.ts';
import type { WalkedModel } from './walk.ts';

export function emitWeights(
  name: string,
  { tensors, summary }: WalkedModel,
): { files: EmittedFile[]; bytes: number } {
  const model: ModelSummary = { name, ...summary };
  const elements = new Float32Array(tensors.reduce((sum, { data }) => sum + data.length, 0));
  let offset = 0;
  for (const { data } of tensors) {
    elements.set(data, offset);
    offset += data.length;
  }
  const bytes = new Uint8Array(elements.buffer);
  const description = JSON.stringify({ model, tensors: tensors.map(({ entry }) => entry) }, undefined, 1);
  return {
    files: [
      { name: 'weights.json', role: 'weights', content: `${description}\n` },
      { name: 'weights.bin', role: 'weights', content: bytes },
    ],
    bytes: bytes.length,
  };
}
