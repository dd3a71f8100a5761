import { describe, expect, it } from '@jest/globals';
import * as k from './index.ts';

const shape = { channels: 4, filters: 8, size: 6, kernel: 3 };

/** A convolution as the README writes it. */
function convolution(kernel: number) {
  const out = shape.size - kernel + 1;
  return k.loopKernel(
    `conv_${String(kernel)}x${String(kernel)}`,
    {
      doc: [`u8 * i8 -> i32, ${String(kernel)}x${String(kernel)} */ "odd" name`],
      parameters: { x: k.reads('u8'), w: k.reads('i8'), bias: k.reads('i32'), y: k.writes('i32') },
    },
    (b, { x, w, bias, y }) => {
      b.for('oc', 0, shape.filters, (oc) => {
        b.for('oh', 0, out, (oh) => {
          b.for('ow', 0, out, (ow) => {
            const acc = b.var('acc', k.load(bias, oc));
            b.for('ic', 0, shape.channels, (ic) => {
              b.for('kh', 0, kernel, (kh) => {
                b.for('kw', 0, kernel, (kw) => {
                  const pixel = k.load(x, k.rowMajor([4, 6, 6], [ic, k.add(oh, kh), k.add(ow, kw)]));
                  const weight = k.load(w, k.rowMajor([8, 4, kernel, kernel], [oc, ic, kh, kw]));
                  b.addTo(acc, k.mul(pixel, weight));
                });
              });
            });
            b.store(y, k.rowMajor([8, out, out], [oc, oh, ow]), acc);
          });
        });
      });
    },
  );
}

describe('C', () => {
  it('prints a convolution', () => {
    expect(k.printC([convolution(3)])).toBe(`#include <stdbool.h>
#include <stdint.h>

// u8 * i8 -> i32, 3x3 * / "odd" name
static void conv_3x3(
    const uint8_t *restrict x,
    const int8_t *restrict w,
    const int32_t *restrict bias,
    int32_t *restrict y) {
  for (int32_t oc = 0; oc < 8; oc++) {
    for (int32_t oh = 0; oh < 4; oh++) {
      for (int32_t ow = 0; ow < 4; ow++) {
        int32_t acc = bias[oc];
        for (int32_t ic = 0; ic < 4; ic++) {
          for (int32_t kh = 0; kh < 3; kh++) {
            for (int32_t kw = 0; kw < 3; kw++) {
              acc += x[(ic * 6 + oh + kh) * 6 + ow + kw] * w[((oc * 4 + ic) * 3 + kh) * 3 + kw];
            }
          }
        }
        y[(oc * 4 + oh) * 4 + ow] = acc;
      }
    }
  }
}
`);
  });

  it('prints a 1x1 convolution without its window', () => {
    expect(k.printC([convolution(1)])).toContain(`        for (int32_t ic = 0; ic < 4; ic++) {
          acc += x[(ic * 6 + oh) * 6 + ow] * w[oc * 4 + ic];
        }
`);
  });

  it('shares functions and tables, and renames what differs under one name', () => {
    const scaled = (factor: number) =>
      k.pureFunction('scaled', { parameters: { value: 'i32' }, result: 'i32' }, (b, { value }) => {
        b.return(k.mul(value, factor));
      });
    const kernel = (name: string, factor: number, values: readonly number[]) =>
      k.loopKernel(name, { parameters: { y: k.writes('i8'), unused: k.reads('u8') } }, (b, { y }) => {
        b.for('i', 0, 2, (i) => {
          b.store(y, i, k.invoke(scaled(factor), k.load(k.table('lut', 'i8', values), i)));
        });
      });
    expect(
      k.printC([kernel('one', 2, [1, 2]), kernel('two', 2, [3, 4]), kernel('three', 3, [5, 6])], {
        linkage: 'extern',
      }),
    ).toBe(`#include <stdbool.h>
#include <stdint.h>

static const int8_t lut[2] = {
  1, 2,
};

static inline int32_t scaled(int32_t value) {
  return value * 2;
}

static const int8_t lut_2[2] = {
  3, 4,
};

static const int8_t lut_3[2] = {
  5, 6,
};

static inline int32_t scaled_2(int32_t value) {
  return value * 3;
}

void one(int8_t *restrict y, const uint8_t *restrict unused) {
  (void)unused;
  for (int32_t i = 0; i < 2; i++) {
    y[i] = (int8_t)scaled(lut[i]);
  }
}

void two(int8_t *restrict y, const uint8_t *restrict unused) {
  (void)unused;
  for (int32_t i = 0; i < 2; i++) {
    y[i] = (int8_t)scaled(lut_2[i]);
  }
}

void three(int8_t *restrict y, const uint8_t *restrict unused) {
  (void)unused;
  for (int32_t i = 0; i < 2; i++) {
    y[i] = (int8_t)scaled_2(lut_3[i]);
  }
}
`);
  });

  it('refuses vectors', () => {
    const kernel = k.loopKernel('subject', { parameters: { y: k.writes('i32') } }, (b, { y }) => {
      b.store(y, 0, k.component(k.unpack4xI8(k.u32(1)), 0));
    });
    expect(() => k.printC([kernel])).toThrow(new k.KernelError('C has no vec4i'));
  });
});

describe('WGSL', () => {
  const dots = k.gridKernel(
    'dots',
    {
      doc: ['one dot product an invocation'],
      parameters: { x: k.reads('u32', 64), n: k.scalar('u32'), y: k.writes('i32') },
      workgroupSize: [64],
    },
    (b, { x, n, y }) => {
      const tile = k.workgroupArray('tile', 'u32', 64);
      b.store(tile, k.localId.x, k.load(x, k.localId.x));
      b.barrier();
      b.if(
        k.ge(k.globalId.x, n),
        () => {
          b.return();
        },
        () => {
          const next = k.bitAnd(k.add(k.localId.x, 1), 63);
          b.store(y, k.globalId.x, k.dot4I8Packed(k.load(tile, k.localId.x), k.load(tile, next)));
        },
      );
    },
  );

  it('prints bindings, shared memory, the feature it requires', () => {
    expect(k.printWgsl(dots)).toBe(`requires packed_4x8_integer_dot_product;

@group(0) @binding(0) var<storage, read> x: array<u32, 64>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

struct Scalars {
  n: u32,
}
@group(0) @binding(2) var<uniform> scalars: Scalars;

var<workgroup> tile: array<u32, 64>;

// one dot product an invocation
@compute @workgroup_size(64, 1, 1)
fn dots(@builtin(local_invocation_id) local_id: vec3u, @builtin(global_invocation_id) global_id: vec3u) {
  tile[local_id.x] = x[local_id.x];
  workgroupBarrier();
  if (global_id.x >= scalars.n) {
    return;
  } else {
    y[global_id.x] = dot4I8Packed(tile[local_id.x], tile[(local_id.x + 1u) & 63u]);
  }
}
`);
  });

  it('expands the dot product where the feature is absent', () => {
    const text = k.printWgsl(dots, { features: new Set() });
    expect(text).not.toContain('requires');
    expect(text).toContain(`fn dot4_i8_packed(a: u32, b: u32) -> i32 {
  var sum = (bitcast<i32>(a << 24u) >> 24u) * (bitcast<i32>(b << 24u) >> 24u);
  sum += (bitcast<i32>(a << 16u) >> 24u) * (bitcast<i32>(b << 16u) >> 24u);
  sum += (bitcast<i32>(a << 8u) >> 24u) * (bitcast<i32>(b << 8u) >> 24u);
  sum += (bitcast<i32>(a) >> 24u) * (bitcast<i32>(b) >> 24u);
  return sum;
}`);
  });

  it('refuses narrow buffers and 64 bits', () => {
    const narrow = k.gridKernel(
      'subject',
      { parameters: { y: k.writes('u8') }, workgroupSize: [1] },
      (b, { y }) => {
        b.store(y, 0, 1);
      },
    );
    expect(() => k.printWgsl(narrow)).toThrow(new k.KernelError('WGSL has no u8'));
    const wide = k.gridKernel(
      'subject',
      { parameters: { y: k.writes('i32') }, workgroupSize: [1] },
      (b, { y }) => {
        b.store(y, 0, k.cast('i32', k.shr(k.cast('i64', k.load(y, 0)), 3)));
      },
    );
    expect(() => k.printWgsl(wide)).toThrow(new k.KernelError('WGSL has no i64'));
  });

  it('keeps comparisons from reading as templates', () => {
    const kernel = k.gridKernel(
      'subject',
      { parameters: { y: k.writes('i32') }, workgroupSize: [1] },
      (b, { y }) => {
        const a = b.let('a', k.load(y, 0));
        const both = k.pureFunction(
          'both',
          { parameters: { p: 'bool', q: 'bool' }, result: 'i32' },
          (f, { p, q }) => {
            f.return(k.select(k.and(p, q), 1, 0));
          },
        );
        b.store(y, 0, k.invoke(both, k.lt(a, k.shr(a, 1)), k.gt(a, 2)));
      },
    );
    expect(k.printWgsl(kernel)).toContain('y[0] = both((a < (a >> 1u)), a > 2);');
  });
});
