import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { graphs, inputsFor } from '../fixtures/generate/graphs.ts';
import { f32, GraphBuilder, interpret, plain, sameType, tensor, typesOf, zeros } from './index.ts';

function chain(): GraphBuilder {
  const builder = new GraphBuilder('main');
  const x = builder.input('x', f32([2]));
  const one = builder.constant('one', tensor(f32([1]), [1]));
  const a = builder.add('add', [x, one], {}, { name: 'a' });
  const b = builder.add('mul', [a, a], {}, { name: 'b' });
  builder.add('sub', [b, x], {}, { name: 'c' });
  builder.add('relu', [a], {}, { name: 'unused' });
  return builder;
}

describe('interpret', () => {
  const x = tensor(f32([2]), [1, 2]);

  it('returns outputs in order: results, inputs, constants, and one twice', () => {
    const outputs = interpret(chain().finish(['c', 'x', 'one', 'a', 'c']), [x]);
    expect(outputs.map(({ data }) => [...data])).toEqual([[3, 7], [1, 2], [1], [2, 3], [3, 7]]);
  });

  it('shows every input and result once, in program order, unchanged', () => {
    const seen: [string, number[]][] = [];
    interpret(chain().finish(['c']), [x], { observe: (name, { data }) => seen.push([name, [...data]]) });
    expect(seen).toEqual([
      ['x', [1, 2]],
      ['a', [2, 3]],
      ['b', [4, 9]],
      ['c', [3, 7]],
      ['unused', [2, 3]],
    ]);
  });

  it('frees a value after its last use: memory follows the width of a program, not its length', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const megabytes = (): number => process.memoryUsage().arrayBuffers / 2 ** 20;
    const builder = new GraphBuilder('main');
    let name = builder.input('x', f32([2 ** 18]));
    for (let i = 0; i < 12; i++) name = builder.add('relu', [name]);
    const graph = builder.finish([name]);
    const input = zeros(f32([2 ** 18]));
    collect();
    const before = megabytes();
    let most = 0;
    interpret(graph, [input], {
      observe: () => {
        collect();
        most = Math.max(most, megabytes() - before);
      },
    });
    // A value of 1 MiB and the one it is made from, of thirteen; twice that for a collector that has not yet swept.
    expect(most).toBeLessThan(4.5);
  });

  it('demands the declared inputs', () => {
    const graph = chain().finish(['c']);
    expect(() => interpret(graph, [])).toThrow('0 inputs for a program of 1');
    expect(() => interpret(graph, [tensor(f32([3]), [1, 2, 3])])).toThrow(
      'input %x is f32[3], expected f32[2]',
    );
    expect(() => interpret(graph, [tensor(plain('i32', [2]), [1, 2])])).toThrow(
      'input %x is i32[2], expected f32[2]',
    );
  });

  it('makes every value of a random net of the declared type, and finite', () => {
    fc.assert(
      fc.property(graphs(), fc.nat(), (graph, seed) => {
        const types = typesOf(graph);
        interpret(graph, inputsFor(graph, seed), {
          observe: (name, { type, data }) => {
            expect(sameType(type, types.get(name)!)).toBe(true);
            expect(data.every(Number.isFinite)).toBe(true);
          },
        });
      }),
      { numRuns: 50 },
    );
  });
});
