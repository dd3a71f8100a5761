/**
 * lookup: any function of one variable on at most 8 bits, as a table of its values: y = table[x - smallest x]. Exact on every
 * backend, which no formula with exp in it would be.
 */
import { defineOp } from '../op.ts';
import { allocate } from '../tensor.ts';
import { bitWidth, formatElement, isF32, isQuantized, storageRange } from '../types.ts';

export const lookup = defineOp({
  name: 'lookup',
  summary: 'Function of one small integer, by table.',
  levels: ['integer'],
  operands: [
    { name: 'x', summary: 'at most 8 quantized bits, any shape' },
    { name: 'table', summary: 'one result per value of x, in ascending order of x', constant: true },
  ],
  attributes: {},
  traits: {},
  element: 'declared',
  constraints: [
    {
      name: 'lookup-input',
      summary: 'x has at most 8 quantized bits and the result is quantized',
      check: ({ operands, result }) => {
        const [x] = operands;
        if (!isQuantized(x!) || bitWidth(x.element.storage) > 8) {
          return `operand of type ${formatElement(x!.element)}, expected at most 8 quantized bits`;
        }
        return isQuantized(result)
          ? undefined
          : `result of type ${formatElement(result.element)}, expected a quantized type`;
      },
    },
    {
      name: 'lookup-table',
      summary: 'the table has the storage of the result and an entry for every x',
      check: ({ operands, result }) => {
        const [x, table] = operands;
        const entries = isF32(x!) ? 0 : 2 ** bitWidth(x!.element.storage);
        if (table!.shape.length !== 1 || table!.shape[0] !== entries) {
          return `table of shape [${table!.shape.join(', ')}], expected [${entries}]`;
        }
        return table!.element.storage === result.element.storage
          ? undefined
          : `table of ${table!.element.storage}, result of ${result.element.storage}`;
      },
    },
  ],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, result }) => {
    const [x, table] = tensors;
    const storage = x!.type.element.storage;
    const first = storage === 'f32' ? 0 : storageRange(storage)[0];
    const y = allocate(result.element.storage, x!.data.length);
    for (let i = 0; i < y.length; i++) y[i] = table!.data[x!.data[i]! - first]!;
    return y;
  },
});
