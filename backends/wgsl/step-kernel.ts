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
import { StepEnd, type StepScope, tensorOperands } from './body.ts';
import { planConvolution, writeConvolution, type ConvolutionPlan } from './convolution.ts';
import { kernelName } from './kernel-name.ts';
import { limits } from './limits.ts';
import { movementQuads } from './movement.ts';
import { averagePoolQuads, maxPoolQuads } from './pool.ts';
import { extentsOf, type Granule, granuleQuads } from './stored.ts';
import { StepTables, TableReader } from './tables.ts';
import { chooseTile } from './tile.ts';

export type Workgroups = readonly [x: number, y: number, z: number];

/** What one binding of a kernel is bound to. */
export type BindingSource =
  | { readonly kind: 'value'; readonly name: string }
  | { readonly kind: 'weights' }
  | { readonly kind: 'tables' };

export interface StepKernel {
  readonly kernel: GridKernel;
  readonly bindings: readonly BindingSource[];
  readonly workgroups: Workgroups;
  readonly weights: Uint8Array | undefined;
  readonly tables: Uint8Array;
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
    const element = convolution.vectors ? 'vec4u' : 'u32';
    bind('x', reads(element), { kind: 'value', name: convolution.node.operands[0]! });
    bind('weights', reads('vec4u'), { kind: 'weights' });
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

/** The kernel of a step that is not at the boundary. */
export function stepKernel(graph: Graph, types: ReadonlyMap<string, TensorType>, step: Step): StepKernel {
  checkStep(step, types);
  const widths = step.outputs.map((name) => bitWidth(types.get(name)!.element.storage));
  const leastQuads = granuleQuads(widths);
  const { channels, pixels } = extentsOf(step.space.shape);
  const isConvolution = step.anchor?.op === 'conv2d' || step.anchor?.op === 'dense';
  const tile = isConvolution ? chooseTile(pixels, channels, leastQuads) : undefined;
  const convolution =
    tile === undefined
      ? undefined
      : planConvolution(graph, step.anchor!, types.get(step.anchor!.operands[0]!)!, tile);
  const quads = tile?.quads ?? leastQuads;
  const runs = Math.ceil(channels / (4 * quads));
  const tables = new StepTables(channels, quads);
  const parameters = parametersOf(step, convolution);
  checkBindings(step, parameters.sources.length);

  const generic = 64;
  const grid =
    tile === undefined
      ? foldedGrid(1, Math.ceil((pixels * runs) / generic), step)
      : foldedGrid(
          Math.ceil(runs / tile.workgroup[0]),
          Math.ceil(Math.ceil(pixels / tile.pixels) / tile.workgroup[1]),
          step,
        );
  const [lanes, rows] = tile?.workgroup ?? [generic, 1];

  const kernel = gridKernel(
    kernelName(step, types, convolution?.rows.weightBits),
    { doc: [documentation(step, types)], parameters: parameters.specs, workgroupSize: [lanes, rows] },
    (b, named) => {
      const array = (name: string | undefined): KernelArray =>
        (named as Readonly<Record<string, unknown>>)[name!] as KernelArray;
      const stored = (of: ReadonlyMap<string, string>) => (name: string) => ({
        array: array(of.get(name)),
        type: types.get(name)!,
      });
      const scope: StepScope = {
        graph,
        step,
        types,
        block: b,
        tables,
        reader: new TableReader(b, array('tables')),
        lists: array('lists'),
        quads,
        operand: stored(parameters.ofOperand),
        output: stored(parameters.ofOutput),
      };
      if (convolution === undefined) {
        writeGeneric(b, scope, add(mul(foldedId(grid), generic), signed(localId.x)), runs, pixels);
        return;
      }
      const run = b.let('run', add(mul(signed(workgroupId.x), lanes), signed(localId.x)));
      const tiles = Math.ceil(pixels / tile!.pixels);
      const workgroup = foldedId(grid);
      const tileId = b.let('tile', rows === 1 ? workgroup : add(mul(workgroup, rows), signed(localId.y)));
      const conditions = [
        ...(runs % lanes === 0 ? [] : [lt(run, runs)]),
        ...(grid[2] === 1 && tiles % rows === 0 ? [] : [lt(tileId, tiles)]),
      ];
      b.if(and(...conditions), () => {
        writeConvolution(scope, convolution, { x: array('x'), weights: array('weights'), tile: tileId, run });
      });
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
  const made = step.outputs.map((name) => {
    const { element, shape } = types.get(name)!;
    return `${element.storage}[${shape.join(', ')}]`;
  });
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
