/**
 * What an adapter multiplies at best: a register tile of 4 x 4 accumulators in every invocation, as the inner loop of a matrix product has
 * it, with nothing loaded and nothing stored but one word at the end. Three rows: `dot4I8Packed`, the same product unpacked by hand, and
 * f32. No convolution kernel of these operands can multiply faster.
 */
import { openGpuDevice } from '../runtime/node-gpu.ts';

export interface GpuRate {
  readonly name: 'dot4I8Packed' | 'unpacked by hand' | 'f32';
  /** 10^9 multiplications a second. */
  readonly gmacs: number;
}

const tile = 4;
const workgroup = 64;
const workgroups = 256;
const steps = 256;

interface Row {
  readonly name: GpuRate['name'];
  readonly element: 'i32' | 'f32';
  readonly operand: 'u32' | 'f32';
  /** Multiplications of one product. */
  readonly multiplications: number;
  readonly product: (a: string, b: string, sum: string) => string;
  /** Keeps the operands from being the same in every step, which a compiler would take out of the loop. */
  readonly change: (a: string) => string;
  readonly header?: string;
}

const rows: readonly Row[] = [
  {
    name: 'dot4I8Packed',
    element: 'i32',
    operand: 'u32',
    multiplications: 4,
    product: (a, b, sum) => `${sum} + dot4I8Packed(${a}, ${b})`,
    change: (a) => `${a} ^ step`,
  },
  {
    name: 'unpacked by hand',
    element: 'i32',
    operand: 'u32',
    multiplications: 4,
    product: (a, b, sum) => `${sum} + dot4(${a}, ${b})`,
    change: (a) => `${a} ^ step`,
    header: `fn lanes(word: u32) -> vec4i { return vec4i(vec4u(word << 24u, word << 16u, word << 8u, word)) >> vec4u(24u); }
fn dot4(a: u32, b: u32) -> i32 { return dot(lanes(a), lanes(b)); }
`,
  },
  {
    name: 'f32',
    element: 'f32',
    operand: 'f32',
    multiplications: 1,
    product: (a, b, sum) => `fma(${a}, ${b}, ${sum})`,
    change: (a) => `${a} + 0.5`,
  },
];

/** The kernel of a row. */
export function rateKernel({ element, operand, product, change, header = '' }: Row): string {
  const range = Array.from({ length: tile }, (_, i) => i);
  const pairs = range.flatMap((i) => range.map((j) => [i, j] as const));
  return `${header}@group(0) @binding(0) var<storage, read_write> words: array<${operand}>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let first = id.x * ${2 * tile}u;
${range.map((i) => `  var a${i} = words[first + ${i}u];\n  let b${i} = words[first + ${tile + i}u];`).join('\n')}
${pairs.map(([i, j]) => `  var c${i}${j} = ${element}(0);`).join('\n')}
  for (var step = 0u; step < ${steps}u; step++) {
${pairs.map(([i, j]) => `    c${i}${j} = ${product(`a${i}`, `b${j}`, `c${i}${j}`)};`).join('\n')}
${range.map((i) => `    a${i} = ${change(`a${i}`)};`).join('\n')}
  }
  words[first] = ${operand}(${pairs.map(([i, j]) => `c${i}${j}`).join(' + ')});
}
`;
}

/** Measures every row that the adapter of the environment can run. */
export async function measureGpuRates(): Promise<GpuRate[]> {
  const gpu = await openGpuDevice();
  try {
    const rates: GpuRate[] = [];
    for (const row of rows) {
      if (row.name === 'dot4I8Packed' && !gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product'))
        continue;
      const seconds = await leastSeconds(gpu.device, rateKernel(row));
      const products = workgroups * workgroup * steps * tile * tile;
      rates.push({ name: row.name, gmacs: (products * row.multiplications) / seconds / 1e9 });
    }
    return rates;
  } finally {
    gpu.close();
  }
}

/** Seconds of the quickest of several dispatches, less those of a dispatch that does nothing. */
async function leastSeconds(device: GPUDevice, code: string): Promise<number> {
  const buffer = device.createBuffer({
    size: workgroups * workgroup * 2 * tile * 4,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
  });
  const words = Uint32Array.from({ length: buffer.size / 4 }, (_, i) => Math.imul(i, 2654435761) >>> 0);
  device.queue.writeBuffer(buffer, 0, words);
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const time = async (count: number): Promise<number> => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    if (count > 0) pass.dispatchWorkgroups(count);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - start) / 1000;
  };
  let [least, empty] = [Infinity, Infinity];
  for (let i = 0; i < 8; i++) {
    empty = Math.min(empty, await time(0));
    least = Math.min(least, await time(workgroups));
  }
  buffer.destroy();
  return least - empty;
}
