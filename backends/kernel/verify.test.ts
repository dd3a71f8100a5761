import { describe, expect, it } from '@jest/globals';
import type { Block, KernelArray } from './index.ts';
import * as k from './index.ts';

const loop = (body: (block: Block, y: KernelArray) => void) => () =>
  k.loopKernel('subject', { parameters: { y: k.writes('i32') } }, (block, { y }) => {
    body(block, y);
  });

const stray = k.variable('stray', 'i32');
const shared = k.workgroupArray('shared_row', 'i32', 4);

describe('a kernel that breaks a rule cannot be built', () => {
  it.each<[string, () => unknown]>([
    [
      'subject: stray is used outside its scope',
      loop((b, y) => {
        b.store(y, 0, stray);
      }),
    ],
    [
      'subject: break outside a loop',
      loop((b) => {
        b.break();
      }),
    ],
    [
      'subject: a barrier where nobody else arrives',
      loop((b) => {
        b.barrier();
      }),
    ],
    [
      'subject: global_invocation_id exists in grid kernels only',
      loop((b, y) => {
        b.store(y, k.globalId.x, 1);
      }),
    ],
    [
      'subject: shared_row is a workgroup array outside a grid kernel',
      loop((b, y) => {
        b.store(y, 0, k.load(shared, 0));
      }),
    ],
    [
      'subject: returns i32, expected undefined',
      loop((b) => {
        b.return(k.i32(1));
      }),
    ],
    [
      'fixed is not mutable',
      loop((b) => {
        b.set(b.let('fixed', 1), 2);
      }),
    ],
    [
      'subject: inner is used outside its scope',
      loop((b, y) => {
        let inner: k.Expression = k.i32(0);
        b.for('i', 0, 4, (i) => {
          inner = b.let('inner', i);
        });
        b.store(y, 0, inner);
      }),
    ],
    [
      'half: not every path returns',
      () =>
        k.pureFunction('half', { parameters: { a: 'i32' }, result: 'i32' }, (b, { a }) => {
          b.if(k.gt(a, 0), () => {
            b.return(a);
          });
        }),
    ],
    [
      'impure: y is no parameter of this kernel',
      () =>
        k.pureFunction('impure', { parameters: { a: 'i32' }, result: 'i32' }, (b, { a }) => {
          b.return(k.load(k.storageArray('y', 'i32', 'read'), a));
        }),
    ],
    [
      'x is read only',
      () =>
        k.loopKernel('subject', { parameters: { x: k.reads('i32') } }, (b, { x }) => {
          b.store(x, 0, 1);
        }),
    ],
  ])('%s', (message, build) => {
    expect(build).toThrow(new k.KernelError(message));
  });
});

describe('what nobody reads', () => {
  it('is dropped, with what only it needed', () => {
    const kernel = loop((b, y) => {
      const a = b.let('a', 3);
      const unread = b.var('unread', a);
      b.array('tile', 'i32', 4);
      b.for('i', 0, 4, (i) => {
        b.addTo(unread, i);
      });
      b.store(y, 0, 1);
    })();
    expect(kernel.body).toMatchObject([{ kind: 'store' }]);
  });

  it('does not include what stores, even of a value that is never read again', () => {
    const kernel = loop((b, y) => {
      const total = b.var('total', 0);
      b.for('i', 0, 4, (i) => {
        b.addTo(total, i);
      });
      b.store(y, 0, total);
    })();
    expect(kernel.body.map(({ kind }) => kind)).toEqual(['declare', 'for', 'store']);
  });
});
