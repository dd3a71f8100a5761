import { describe, expect, it } from '@jest/globals';
import type { Expression, KernelArray, LoopKernel, Value } from './index.ts';
import * as k from './index.ts';
import { Block } from './index.ts';
import { verifyKernel } from './verify.ts';

/** A function of two i32 and its value, as C and as WGSL. */
function of(
  build: (a: Expression, b: Expression) => Expression,
  operands: readonly Value[],
  flavour: 'loop' | 'grid',
) {
  const callee = k.pureFunction(
    'subject',
    { parameters: { a: 'i32', b: 'i32' }, result: 'i32' },
    (block, { a, b }) => {
      block.return(build(a, b));
    },
  );
  return k.evaluateFunction(callee, operands, flavour);
}

describe('integers', () => {
  it.each<[string, (a: Expression, b: Expression) => Expression, number, number, number]>([
    ['division truncates', k.div, -7, 2, -3],
    ['remainder has the sign of the dividend', k.rem, -7, 2, -1],
    ['right shift floors', k.shr, -7, 1, -4],
    ['left shift drops bits', k.shl, 0x40000001, 2, 4],
    ['u32 shifts in zeros', (a, b) => k.bitcast('i32', k.shr(k.bitcast('u32', a), b)), -1, 28, 15],
    ['u32 compares unsigned', (a, b) => k.select(k.lt(k.cast('u32', a), k.cast('u32', b)), 1, 0), -1, 1, 0],
  ])('%s', (_, build, a, b, expected) => {
    expect(of(build, [a, b], 'loop')).toBe(expected);
    expect(of(build, [a, b], 'grid')).toBe(expected);
  });

  it.each<[string, (a: Expression, b: Expression) => Expression, number, number, number]>([
    ['2147483647 + 1 overflows i32', k.add, 2 ** 31 - 1, 1, -(2 ** 31)],
    ['-2147483648 - 1 overflows i32', k.sub, -(2 ** 31), 1, 2 ** 31 - 1],
    ['65536 * 65537 overflows i32', k.mul, 65536, 65537, 65536],
    ['0 - -2147483648 overflows i32', (a) => k.neg(a), -(2 ** 31), 0, -(2 ** 31)],
    ['-2147483648 / -1 overflows i32', k.div, -(2 ** 31), -1, -(2 ** 31)],
  ])('C: %s; WGSL wraps', (message, build, a, b, wrapped) => {
    expect(() => of(build, [a, b], 'loop')).toThrow(message);
    expect(of(build, [a, b], 'grid')).toBe(wrapped);
  });

  it.each<[string, (a: Expression, b: Expression) => Expression, number, number]>([
    ['division by zero', k.div, 1, 0],
    ['shift by 32', k.shr, 1, 32],
    ['shift by -1', k.shl, 1, -1],
  ])('neither language: %s', (message, build, a, b) => {
    expect(() => of(build, [a, b], 'loop')).toThrow(message);
    expect(() => of(build, [a, b], 'grid')).toThrow(message);
  });

  it('64 bits', () => {
    const product = k.pureFunction(
      'product',
      { parameters: { a: 'i32', b: 'i32' }, result: 'i32' },
      (block, { a, b }) => {
        block.return(k.cast('i32', k.shr(k.mul(k.cast('i64', a), k.cast('i64', b)), 32)));
      },
    );
    expect(k.evaluateFunction(product, [-(2 ** 31), 2 ** 31 - 1])).toBe(-(2 ** 30));
  });
});

describe('floats', () => {
  it('round after every operation', () => {
    const sum = k.pureFunction(
      'sum',
      { parameters: { a: 'f32', b: 'f32' }, result: 'f32' },
      (block, { a, b }) => {
        block.return(k.sub(k.add(a, b), a));
      },
    );
    expect(k.evaluateFunction(sum, [2 ** 24, 1])).toBe(0);
  });

  it('must fit the integer they become', () => {
    const whole = k.pureFunction('whole', { parameters: { a: 'f32' }, result: 'i32' }, (block, { a }) => {
      block.return(k.cast('i32', k.roundEven(a)));
    });
    expect([2.5, -2.5, 3.5].map((value) => k.evaluateFunction(whole, [value]))).toEqual([2, -2, 4]);
    expect(() => k.evaluateFunction(whole, [2 ** 31])).toThrow('2147483648 does not fit i32');
    expect(() => k.evaluateFunction(whole, [NaN])).toThrow('NaN does not fit i32');
  });
});

describe('loop kernels', () => {
  const copy = k.loopKernel(
    'copy',
    { parameters: { x: k.reads('i32'), n: k.scalar('i32'), y: k.writes('u8') } },
    (b, { x, n, y }) => {
      b.for('i', 0, n, (i) => {
        b.store(y, i, k.load(x, i));
      });
    },
  );

  it('write into the caller memory', () => {
    const y = new Uint8Array(3);
    k.evaluate(copy, { x: Int32Array.of(7, 255, 0), n: 3, y });
    expect(Array.from(y)).toEqual([7, 255, 0]);
  });

  it.each<[string, k.KernelArguments]>([
    ['copy: index 3 is outside x[3]', { x: new Int32Array(3), n: 4, y: new Uint8Array(4) }],
    ['copy: index 2 is outside y[2]', { x: new Int32Array(3), n: 3, y: new Uint8Array(2) }],
    ['copy: 256 does not fit u8 y[0]', { x: Int32Array.of(256), n: 1, y: new Uint8Array(1) }],
    ['x holds i32: expected Int32Array', { x: new Uint32Array(1), n: 1, y: new Uint8Array(1) }],
    ['n is a i32', { x: new Int32Array(1), n: 0.5, y: new Uint8Array(1) }],
    ['copy has no parameter z', { x: new Int32Array(1), n: 1, y: new Uint8Array(1), z: 1 }],
  ])('%s', (message, given) => {
    expect(() => {
      k.evaluate(copy, given);
    }).toThrow(new k.KernelError(message));
  });

  it('break, continue, while, tables and private arrays', () => {
    const squares = k.table('squares', 'u16', [0, 1, 4, 9, 16]);
    const kernel = k.loopKernel('subject', { parameters: { y: k.writes('i32') } }, (b, { y }) => {
      const seen = b.array('seen', 'i8', 5);
      b.for('i', 0, 5, (i) => {
        b.if(k.eq(i, 1), () => {
          b.continue();
        });
        b.if(k.eq(i, 4), () => {
          b.break();
        });
        b.store(seen, i, 1);
      });
      const at = b.var('at', 0);
      b.while(k.and(k.lt(at, 5), k.lt(k.load(squares, at), 10)), () => {
        b.store(y, at, k.add(k.mul(k.load(squares, at), 10), k.load(seen, at)));
        b.addTo(at, 1);
      });
    });
    const y = new Int32Array(5);
    k.evaluate(kernel, { y });
    expect(Array.from(y)).toEqual([1, 10, 41, 91, 0]);
  });

  it('select evaluates the chosen arm only, as C does', () => {
    const kernel = k.loopKernel(
      'subject',
      { parameters: { x: k.reads('i32'), y: k.writes('i32') } },
      (b, { x, y }) => {
        b.for('i', 0, 3, (i) => {
          b.store(y, i, k.select(k.gt(i, 0), k.load(x, k.sub(i, 1)), -1));
        });
      },
    );
    const y = new Int32Array(3);
    k.evaluate(kernel, { x: Int32Array.of(5, 6), y });
    expect(Array.from(y)).toEqual([-1, 5, 6]);
  });
});

describe('loop kernels that a team of threads calls', () => {
  const thread = k.variable('thread', 'i32');
  const threads = k.variable('threads', 'i32');
  /** Runs a body on `count` threads that share `y` and have a `mine` each; what `y` holds then. */
  const run = (count: number, body: (b: Block, y: KernelArray, mine: KernelArray) => void): number[] => {
    const b = new Block();
    const [y, mine] = ['y', 'mine'].map((name) => k.storageArray(name, 'i32', 'read_write'));
    body(b, y!, mine!);
    const kernel = verifyKernel<LoopKernel>({
      flavour: 'loop',
      name: 'subject',
      doc: [],
      parameters: [y!, mine!],
      body: b.statements,
      team: { thread, threads },
    });
    const shared = new Int32Array(4);
    k.prepareLoop(kernel)(...Array.from({ length: count }, () => ({ y: shared, mine: new Int32Array(1) })));
    return Array.from(shared);
  };
  const everyone: (b: Block, y: KernelArray, mine: KernelArray) => void = (b, y, mine) => {
    b.store(mine, 0, k.add(thread, 1));
    b.store(y, thread, k.load(mine, 0));
    b.barrier();
    const sum = b.var('sum', 0);
    b.for('i', 0, threads, (i) => {
      b.addTo(sum, k.load(y, i));
    });
    b.barrier();
    b.store(y, thread, sum);
  };

  it.each([
    [1, [1, 0, 0, 0]],
    [4, [10, 10, 10, 10]],
  ])('meet at barriers, %i of them', (count, expected) => {
    expect(run(count, everyone)).toEqual(expected);
  });

  it('may not touch what another writes before they meet', () => {
    expect(() =>
      run(2, (b, y) => {
        b.store(y, 0, 1);
      }),
    ).toThrow('thread 1: race on y[0]');
    expect(() =>
      run(2, (b, y) => {
        b.store(y, thread, k.load(y, k.sub(1, thread)));
      }),
    ).toThrow('race on y[');
  });
});

describe('grid kernels', () => {
  const grid = (body: (b: Block, y: KernelArray, tile: KernelArray) => void) =>
    k.gridKernel('subject', { parameters: { y: k.writes('i32') }, workgroupSize: [4] }, (b, { y }) => {
      body(b, y, k.workgroupArray('tile', 'i32', 4));
    });
  const local = k.cast('i32', k.localId.x);

  it('number their invocations', () => {
    const kernel = k.gridKernel(
      'ids',
      { parameters: { y: k.writes('u32') }, workgroupSize: [2, 2] },
      (b, { y }) => {
        const width = k.mul(k.numWorkgroups.x, 2);
        b.store(
          y,
          k.add(k.mul(k.globalId.y, width), k.globalId.x),
          k.add(k.mul(k.workgroupId.x, 100), k.mul(k.localId.y, 10), k.localId.x),
        );
      },
    );
    const y = new Uint32Array(8);
    k.evaluate(kernel, { y }, [2]);
    expect(Array.from(y)).toEqual([0, 1, 100, 101, 10, 11, 110, 111]);
  });

  it('meet at barriers', () => {
    const y = new Int32Array(8);
    k.evaluate(
      grid((b, out, tile) => {
        b.store(tile, local, k.add(local, 1));
        const stride = b.var('stride', 2);
        b.while(k.gt(stride, 0), () => {
          b.barrier();
          b.if(k.lt(local, stride), () => {
            b.store(tile, local, k.add(k.load(tile, local), k.load(tile, k.add(local, stride))));
          });
          b.set(stride, k.shr(stride, 1));
        });
        b.barrier();
        b.store(out, k.cast('i32', k.globalId.x), k.load(tile, 0));
      }),
      { y },
      [2],
    );
    expect(Array.from(y)).toEqual([10, 10, 10, 10, 10, 10, 10, 10]);
  });

  it.each<[string, (b: Block, y: KernelArray, tile: KernelArray) => void]>([
    [
      'race on tile[0]: two invocations, no barrier between',
      (b, y, tile) => {
        b.store(tile, local, 1);
        b.store(y, local, k.load(tile, 0));
      },
    ],
    [
      'race on tile[1]: two invocations, no barrier between',
      (b, y, tile) => {
        b.store(y, local, k.load(tile, 1));
        b.store(tile, local, 1);
      },
    ],
    [
      'race on y[0]: two invocations, no barrier between',
      (b, y) => {
        b.store(y, 0, 1);
      },
    ],
    [
      'a barrier that not every invocation reaches',
      (b) => {
        b.if(k.lt(local, 2), () => {
          b.barrier();
        });
      },
    ],
    [
      'index -1 is outside tile[4]',
      (b, y, tile) => {
        b.store(y, local, k.select(k.gt(local, 0), k.load(tile, k.sub(local, 1)), 0));
      },
    ],
  ])('%s', (message, body) => {
    expect(() => {
      k.evaluate(grid(body), { y: new Int32Array(4) }, [1]);
    }).toThrow(message);
  });

  it('compute with vectors', () => {
    const kernel = k.gridKernel(
      'vectors',
      { parameters: { x: k.reads('vec4i'), y: k.writes('u32') }, workgroupSize: [1] },
      (b, { x, y }) => {
        const doubled = b.let('doubled', k.add(k.mul(k.load(x, 1), 2), k.compose('vec4i', 0, 1, 2, 3)));
        b.store(y, 0, k.pack4xI8Clamp(k.min(doubled, 100)));
        b.store(y, 1, k.cast('u32', k.component(doubled, 2)));
      },
    );
    const y = new Uint32Array(2);
    k.evaluate(kernel, { x: Int32Array.of(0, 0, 0, 0, 1, -1, 90, -90), y }, [1]);
    expect(Array.from(y)).toEqual([0x8064ff02, 182]);
  });
});
