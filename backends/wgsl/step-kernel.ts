/**
 * From a step to its kernel: what it binds, how it is cut into invocations, and its name. A kernel knows shapes, never names of values or
 * numbers of a layer, so that layers of one shape are one kernel.
 */
import {
  bitWidth,
  fail,
  formatName,
  type Graph,
  isQuantized,
  type Node,
  type TensorType,
} from '../../ir/index.ts';
import {
  add,
  and,
  bitcast,
  type Block,
  div,
  type Expression,
  type GridKernel,
  gridKernel,
  type KernelArray,
  localId,
  lt,
  mul,
  type ParameterSpec,
  reads,
  rem,
  workgroupId,
  writes,
} from '../kernel/index.ts';
import type { Step } from '../plan/index.ts';
import { constantOperand, StepEnd, type StepScope, tensorOperands } from './body.ts';
import { type ConvolutionPlan, planConvolution, writeConvolution } from './convolution.ts';
import { convolutionOf } from './convolution-shape.ts';
import { activationFields, packedWeightBits } from './dot-layout.ts';
import { kernelName } from './kernel-name.ts';
import { limits } from './limits.ts';
import { movementQuads } from './movement.ts';
import { averagePoolQuads, maxPoolQuads } from './pool.ts';
import { extentsOf, type Granule, granuleQuads, storageOf } from './stored.ts';
import { StepTables, TableReader } from './tables.ts';
import { type ChooseTiles, type ConvolutionTile, estimatedTiles, type TileChoice } from './tile.ts';

export type Workgroups = readonly [x: number, y: number, z: number];

/** What one binding of a kernel is bound to. */
export type BindingSource =
  | { readonly kind: 'value'; readonly name: string }
  | { readonly kind: 'weights' }
  | { readonly kind: 'tables' };

/** A kernel and how often it is dispatched. */
export interface SizedKernel {
  readonly kernel: GridKernel;
  readonly workgroups: Workgroups;
}

/** A kernel of a step and what there is to say of it. */
interface WrittenKernel extends SizedKernel {
  readonly bindings: readonly BindingSource[];
  readonly weights: Uint8Array | undefined;
  readonly tables: Uint8Array;
}

/** One of the kernels that make the same of the same bindings. */
export interface KernelChoice extends SizedKernel {
  /** What a convolution's is laid out by. */
  readonly tile?: TileChoice;
}

export interface StepKernels extends Omit<WrittenKernel, keyof SizedKernel> {
  /** The first runs on every device. */
  readonly choices: readonly KernelChoice[];
}

/** A grid of `x` by `y` workgroups, folded where a dimension would pass the limit: z continues y. */
function foldedGrid(x: number, y: number, step: Step): Workgroups {
  const most = limits.workgroupsPerDimension;
  const z = Math.ceil(y / most);
  if (x > most || z > most) {
    fail(
      'wgsl/too-many-workgroups',
      `%${formatName(step.name)} needs ${x} x ${y} workgroups, at most ${most} x ${most * most} can be dispatched`,
      { help: 'compile with a smaller batch or input' },
    );
  }
  return [x, z === 1 ? y : Math.min(most, y), z];
}

const signed = (id: Expression): Expression => bitcast('i32', id);

/** The number of this workgroup along the folded second dimension. */
const foldedId = ([, y, z]: Workgroups): Expression =>
  z === 1 ? signed(workgroupId.y) : add(signed(workgroupId.y), mul(signed(workgroupId.z), y));

interface Parameters {
  readonly specs: Readonly<Record<string, ParameterSpec>>;
  readonly sources: readonly BindingSource[];
  /** Parameter by the value it holds, apart for what is read as words and what is read by the dot product. */
  readonly ofOperand: ReadonlyMap<string, string>;
  readonly ofOutput: ReadonlyMap<string, string>;
}

function parametersOf(step: Step, convolution: ConvolutionPlan | undefined): Parameters {
  const specs: Record<string, ParameterSpec> = {};
  const sources: BindingSource[] = [];
  const ofOperand = new Map<string, string>();
  const ofOutput = new Map<string, string>();
  const bind = (name: string, spec: ParameterSpec, source: BindingSource): void => {
    specs[name] = spec;
    sources.push(source);
  };
  if (convolution !== undefined) {
    bind('x', reads('u32'), { kind: 'value', name: convolution.node.operands[0]! });
    bind('weights', reads(convolution.tile.weights === 'own' ? 'vec4u' : 'u32'), { kind: 'weights' });
  }
  const made = new Set([step.anchor, ...step.body].map((node) => node?.result.name));
  const operands = [
    ...(step.anchor === undefined || convolution !== undefined ? [] : anchorOperands(step.anchor)),
    ...step.body.flatMap(tensorOperands),
  ];
  for (const name of operands) {
    if (made.has(name) || ofOperand.has(name)) continue;
    const parameter = `r${ofOperand.size}`;
    ofOperand.set(name, parameter);
    bind(parameter, reads('u32'), { kind: 'value', name });
  }
  for (const name of step.outputs) {
    const parameter = `y${ofOutput.size}`;
    ofOutput.set(name, parameter);
    bind(parameter, writes('u32'), { kind: 'value', name });
  }
  const all = [...(step.anchor === undefined ? [] : [step.anchor]), ...step.body];
  const usesTables = convolution !== undefined || all.some(({ op }) => ['requantize', 'affine'].includes(op));
  if (usesTables) bind('tables', reads('vec4i'), { kind: 'tables' });
  const usesLists = all.some(({ op }) => ['lookup', 'average_pool2d'].includes(op));
  if (usesLists) bind('lists', reads('i32'), { kind: 'tables' });
  return { specs, sources, ofOperand, ofOutput };
}

/** Operands of a pool or a movement that are tensors. */
const anchorOperands = (node: Node): readonly string[] =>
  node.op === 'concat' ? node.operands : node.operands.slice(0, 1);

function anchorQuads(scope: StepScope, node: Node, granule: Granule): Expression[] {
  switch (node.op) {
    case 'max_pool2d':
      return maxPoolQuads(scope, node, granule);
    case 'average_pool2d':
      return averagePoolQuads(scope, node, granule);
    default:
      return movementQuads(scope, node, granule);
  }
}

/** The kernels of a step that is not at the boundary. */
export function stepKernels(
  graph: Graph,
  types: ReadonlyMap<string, TensorType>,
  step: Step,
  choose: ChooseTiles = estimatedTiles,
): StepKernels {
  checkStep(step, types);
  const widths = step.outputs.map((name) => bitWidth(types.get(name)!.element.storage));
  const place = { graph, types, step, leastQuads: granuleQuads(widths) };
  const { anchor } = step;
  if (anchor?.op !== 'conv2d' && anchor?.op !== 'dense') {
    const { kernel, workgroups, ...rest } = genericKernel(place);
    return { ...rest, choices: [{ kernel, workgroups }] };
  }
  const x = types.get(anchor.operands[0]!)!;
  const weight = constantOperand(graph, anchor, 1);
  const fields = activationFields(storageOf(x.element));
  const layer = {
    convolution: convolutionOf(anchor, x, weight.type),
    activationBits: fields.bits,
    weightBits: packedWeightBits(weight, fields),
  };
  const tiles = choose(layer, place.leastQuads, step.name);
  const written = tiles.map(({ tile }) => convolutionKernel(place, planConvolution(graph, anchor, x, tile)));
  const { bindings, weights, tables } = written[0]!;
  return {
    ...{ bindings, weights, tables },
    choices: written.map(({ kernel, workgroups }, i) => ({ kernel, workgroups, tile: tiles[i]! })),
  };
}

/** What every kernel of a step is written from. */
interface StepPlace {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, TensorType>;
  readonly step: Step;
  readonly leastQuads: number;
}

/** The kernel that writes each granule of `quads` quads by an invocation of its own. */
function genericKernel(place: StepPlace): WrittenKernel {
  const { step, leastQuads: quads } = place;
  const { channels, pixels } = extentsOf(step.space.shape);
  const runs = Math.ceil(channels / (4 * quads));
  const lanes = 64;
  const grid = foldedGrid(1, Math.ceil((pixels * runs) / lanes), step);
  return writeKernel(place, { quads, workgroup: [lanes, 1] }, grid, undefined, (scope) => {
    const id = add(mul(foldedId(grid), lanes), signed(localId.x));
    writeGeneric(scope.block, scope, id, runs, pixels);
  });
}

function convolutionKernel(place: StepPlace, plan: ConvolutionPlan): WrittenKernel {
  const { tile, rows } = plan;
  const { pixels } = extentsOf(place.step.space.shape);
  const [lanes, stride] = tile.workgroup;
  const grid = foldedGrid(
    Math.ceil(rows.runs / lanes),
    Math.ceil(pixels / (tile.pixels * stride)),
    place.step,
  );
  return writeKernel(place, tile, grid, plan, (scope, { x, weights }) => {
    const { block: b } = scope;
    const run = b.let(
      'run',
      lanes === 1 ? signed(workgroupId.x) : add(mul(signed(workgroupId.x), lanes), signed(localId.x)),
    );
    const first = mul(foldedId(grid), tile.pixels * stride);
    const arrays = {
      ...{ x: x!, weights: weights!, run, stride },
      first: b.let('tile', stride === 1 ? first : add(first, signed(localId.y))),
    };
    b.if(rows.runs % lanes === 0 ? and() : lt(run, rows.runs), () => {
      writeConvolution(scope, plan, arrays);
    });
  });
}

function writeKernel(
  { graph, types, step, leastQuads }: StepPlace,
  { quads, workgroup }: Pick<ConvolutionTile, 'quads' | 'workgroup'>,
  grid: Workgroups,
  convolution: ConvolutionPlan | undefined,
  write: (scope: StepScope, arrays: Readonly<Record<string, KernelArray | undefined>>) => void,
): WrittenKernel {
  const tables = new StepTables(extentsOf(step.space.shape).channels);
  const parameters = parametersOf(step, convolution);
  checkBindings(step, parameters.sources.length);
  const kernel = gridKernel(
    kernelName(step, types, convolution),
    { doc: [documentation(step, types)], parameters: parameters.specs, workgroupSize: workgroup },
    (block, named) => {
      const arrays = named as unknown as Readonly<Record<string, KernelArray | undefined>>;
      const stored = (of: ReadonlyMap<string, string>) => (name: string) => ({
        array: arrays[of.get(name)!]!,
        type: types.get(name)!,
      });
      const scope: StepScope = {
        ...{ graph, step, types, block, tables, quads, leastQuads },
        reader: new TableReader(block, arrays['tables']!),
        lists: arrays['lists']!,
        operand: stored(parameters.ofOperand),
        output: stored(parameters.ofOutput),
      };
      write(scope, arrays);
    },
  );
  return {
    kernel,
    bindings: parameters.sources,
    workgroups: grid,
    weights: convolution?.weights,
    tables: tables.bytes,
  };
}

/** One granule an invocation, numbered runs first so that neighbours write neighbouring words. */
function writeGeneric(b: Block, scope: StepScope, id: Expression, runs: number, pixels: number): void {
  const number = b.let('number', id);
  b.if(lt(number, runs * pixels), () => {
    const granule: Granule = {
      pixel: b.let('pixel', div(number, runs)),
      run: b.let('run', rem(number, runs)),
      quads: scope.quads,
    };
    const { anchor } = scope.step;
    const quads = anchor === undefined ? undefined : anchorQuads(scope, anchor, granule);
    new StepEnd(scope).values(granule, quads)();
  });
}

function documentation(step: Step, types: ReadonlyMap<string, TensorType>): string {
  const operation = [step.anchor, ...step.body].flatMap((node) => (node === undefined ? [] : [node.op]));
  const made = step.outputs.map((name) => types.get(name)!.element.storage);
  return `${operation.join(', ')} -> ${made.join(', ')}`;
}

/** Refuses what no integer program of ours holds and these kernels do not compute. */
function checkStep(step: Step, types: ReadonlyMap<string, TensorType>): void {
  for (const name of [...step.inputs, ...step.outputs]) {
    const type = types.get(name)!;
    if (type.element.storage === 'f32') {
      fail(
        'wgsl/real-inside',
        `%${formatName(name)} is f32 and is read or made by %${formatName(step.name)}`,
        {
          help: 'f32 may only be quantized at the inputs and dequantized at the outputs; run lower-to-integer',
        },
      );
    }
    if (isQuantized(type) && bitWidth(type.element.storage) > 16 && type.element.zeroPoint !== 0) {
      fail(
        'wgsl/wide-zero-point',
        `%${formatName(name)} has 32 bits and a zero point; expected zero point 0`,
      );
    }
  }
}

function checkBindings(step: Step, count: number): void {
  if (count <= limits.storageBuffers) return;
  fail(
    'wgsl/too-many-buffers',
    `%${formatName(step.name)} binds ${count} storage buffers, at most ${limits.storageBuffers} can be bound`,
    { help: 'split the concatenation into several of fewer parts' },
  );
}
