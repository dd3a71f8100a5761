/**
 * Runs kernels in JavaScript, bit for bit as their language does, and refuses what their language leaves undefined.
 *
 * A loop kernel runs as C: signed overflow is an error, `select` evaluates one arm, the threads of a team stop at barriers until all are there,
 * and races between them are errors. A grid kernel runs as WGSL, one workgroup after the
 * other: signed sums wrap, `select` evaluates both arms, invocations stop at barriers until all are there, and races are errors.
 */
import { type Frame, idsOutsideGrid, Layout, type Semantics } from './evaluate-expression.ts';
import { bindStorage, Cells } from './evaluate-memory.ts';
import {
  type Compiled,
  compileFunction,
  type Meeting,
  StatementCompiler,
  type Steps,
} from './evaluate-statement.ts';
import { KernelError } from './kernel-error.ts';
import type { GridKernel, Kernel, KernelArray, KernelFunction, LoopKernel, Value, Variable } from './tree.ts';
import type { Memory } from './types.ts';

/** A kernel's arguments by parameter name: contents for buffers (written in place), numbers for scalars. */
export type KernelArguments = Readonly<Record<string, Memory | number | bigint>>;

/** How many workgroups to dispatch. */
export type Workgroups = readonly [x: number, y?: number, z?: number];

const semanticsOf: Readonly<Record<Kernel['flavour'], Semantics>> = {
  loop: { overflow: 'error', lazySelect: true },
  grid: { overflow: 'wrap', lazySelect: false },
};

interface Prepared {
  readonly kernel: Kernel;
  readonly layout: Layout;
  readonly body: Compiled;
}

function compileKernel(kernel: Kernel): Prepared {
  const layout = new Layout(semanticsOf[kernel.flavour], compileFunction);
  return { kernel, layout, body: new StatementCompiler(layout).compile(kernel.body) };
}

/** Puts the arguments where the compiled body expects them; `bindArray` makes contents of a buffer's argument. */
function bind(
  { kernel, layout }: Prepared,
  given: KernelArguments,
  bindArray: (array: KernelArray, contents: unknown) => Cells,
): { values: Value[]; arrays: Cells[] } {
  const values: Value[] = [];
  const arrays: Cells[] = [];
  const known = new Set(kernel.parameters.map((parameter) => parameter.name));
  for (const name of Object.keys(given)) {
    if (!known.has(name)) throw new KernelError(`${kernel.name} has no parameter ${name}`);
  }
  for (const parameter of kernel.parameters) {
    const value = given[parameter.name];
    const slot = layout.slot(parameter);
    if (parameter.kind === 'array') {
      arrays[slot] = bindArray(parameter, value);
    } else {
      values[slot] = scalarArgument(parameter, value);
    }
  }
  return { values, arrays };
}

function scalarArgument(parameter: Variable, value: unknown): Value {
  const fits: Readonly<Partial<Record<Variable['type'], (value: number) => boolean>>> = {
    i32: (number) => number === (number | 0),
    u32: (number) => number === number >>> 0,
    f32: (number) => Object.is(number, Math.fround(number)),
  };
  if (typeof value === 'bigint' && parameter.type === 'i64') return value;
  if (typeof value === 'number' && fits[parameter.type]?.(value) === true) return value;
  throw new KernelError(`${parameter.name} is a ${parameter.type}`);
}

/**
 * Compiles a loop kernel once; the result runs it on arguments, one set for each thread of the team that calls it. Buffers given to several
 * threads are shared, and watched for races; a kernel that shares no work takes one set.
 */
export function prepareLoop(kernel: LoopKernel): (...threads: readonly KernelArguments[]) => void {
  const prepared = compileKernel(kernel);
  return (...threads) => {
    const { team } = kernel;
    if (threads.length !== 1 && team === undefined) throw new Error(`${kernel.name} is called by one thread`);
    const shared = new Map<KernelArray, Map<unknown, Cells>>();
    const frames = threads.map((given, thread): Frame => {
      const { values, arrays } = bind(prepared, given, (array, contents) => {
        const ofArray = shared.get(array) ?? new Map<unknown, Cells>();
        const cells = ofArray.get(contents) ?? bindStorage(array, contents, threads.length > 1);
        shared.set(array, ofArray.set(contents, cells));
        return cells;
      });
      if (team !== undefined) {
        values[prepared.layout.slot(team.thread)] = thread;
        values[prepared.layout.slot(team.threads)] = threads.length;
      }
      return { values, arrays, ids: idsOutsideGrid, who: thread, result: 0, said: 0, heard: [] };
    });
    const cells = [...shared.values()].flatMap((ofArray) => [...ofArray.values()]);
    runInTurns(prepared, frames, cells, (frame) =>
      threads.length === 1 ? kernel.name : `${kernel.name}, thread ${String(frame.who)}`,
    );
  };
}

/** Adds where it happened to the message of an error. */
function within<Result>(where: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof KernelError) throw new KernelError(`${where}: ${error.message}`);
    throw error;
  }
}

/** What the device decides. */
export interface GridOptions {
  /** Invocations of a subgroup: those that follow each other in a workgroup. Default: 8. */
  readonly subgroupSize?: number;
}

/** Compiles a grid kernel once; the result dispatches it. */
export function prepareGrid(
  kernel: GridKernel,
  { subgroupSize = 8 }: GridOptions = {},
): (given: KernelArguments, workgroups: Workgroups) => void {
  const prepared = compileKernel(kernel);
  const shared = Array.from(prepared.layout.entries()).filter(
    (entry): entry is [KernelArray, number] => entry[0].kind === 'array' && entry[0].space === 'workgroup',
  );
  return (given, workgroups) => {
    const { values, arrays } = bind(prepared, given, (array, contents) =>
      bindStorage(array, contents, array.access === 'read_write'),
    );
    const [columns, rows = 1, layers = 1] = workgroups;
    let group = 0;
    for (let z = 0; z < layers; z += 1) {
      for (let y = 0; y < rows; y += 1) {
        for (let x = 0; x < columns; x += 1) {
          const local = arrays.slice();
          const sharedCells = shared.map(([array, slot]) => {
            const cells = Cells.zeroed(array, true);
            local[slot] = cells;
            return cells;
          });
          const frames = workgroupFrames(
            kernel,
            { x, y, z },
            { x: columns, y: rows, z: layers },
            group,
            values,
            local,
            subgroupSize,
          );
          runInTurns(prepared, frames, sharedCells, (frame) => placeOf(kernel, frame), subgroupSize);
          group += 1;
        }
      }
    }
  };
}

type Point = Readonly<Record<'x' | 'y' | 'z', number>>;

function workgroupFrames(
  kernel: GridKernel,
  workgroup: Point,
  count: Point,
  group: number,
  values: readonly Value[],
  arrays: readonly Cells[],
  subgroupSize: number,
): Frame[] {
  const [width, height, depth] = kernel.workgroupSize;
  const size = width * height * depth;
  return Array.from({ length: size }, (_, position) => {
    const local = {
      x: position % width,
      y: Math.floor(position / width) % height,
      z: Math.floor(position / (width * height)),
    };
    return {
      values: values.slice(),
      arrays: arrays.slice(),
      ids: {
        local_invocation_id: local,
        workgroup_id: workgroup,
        num_workgroups: count,
        global_invocation_id: {
          x: workgroup.x * width + local.x,
          y: workgroup.y * height + local.y,
          z: workgroup.z * depth + local.z,
        },
        subgroup_invocation_id: { x: position % subgroupSize, y: 0, z: 0 },
      },
      who: group * size + position,
      result: 0,
      said: 0,
      heard: [],
    };
  });
}

const placeOf = (kernel: Kernel, { ids }: Frame): string => {
  const { x, y, z } = ids.global_invocation_id;
  return `${kernel.name} at ${String(x)},${String(y)},${String(z)}`;
};

/**
 * Runs invocations from meeting to meeting, all to one before any to the next; at a barrier `watched` forgets who touched what, and what is said
 * to a subgroup is heard by its `subgroupSize` members.
 */
function runInTurns(
  { kernel, body }: Prepared,
  frames: readonly Frame[],
  watched: readonly Cells[],
  placeOf: (frame: Frame) => string,
  subgroupSize = 1,
): void {
  if (!body.barriers) {
    const { run } = body;
    for (const frame of frames) within(placeOf(frame), () => run(frame));
    return;
  }
  const invocations = frames.map((frame) => ({ place: placeOf(frame), steps: body.steps(frame) }));
  for (;;) {
    const meeting = nextMeeting(kernel, invocations);
    if (meeting === undefined) return;
    if (meeting.kind === 'barrier') for (const cells of watched) cells.passBarrier();
    else hearSubgroups(frames, subgroupSize);
  }
}

/** Runs every invocation to its next meeting; undefined when all have ended instead. */
function nextMeeting(
  kernel: Kernel,
  invocations: readonly { readonly place: string; readonly steps: ReturnType<Steps> }[],
): Meeting | undefined {
  const reached = new Set<Meeting | undefined>();
  for (const { place, steps } of invocations) {
    const step = within(place, () => steps.next());
    reached.add(step.done === true ? undefined : step.value);
  }
  if (reached.size > 1) throw new KernelError(`${kernel.name}: a barrier that not every invocation reaches`);
  return [...reached][0];
}

/** Every invocation hears what those of its subgroup said. */
function hearSubgroups(frames: readonly Frame[], size: number): void {
  for (let first = 0; first < frames.length; first += size) {
    const members = frames.slice(first, first + size);
    const heard = members.map(({ said }) => said);
    for (const member of members) member.heard = heard;
  }
}

/** Runs a kernel once. Grid kernels need to know how many workgroups. */
export function evaluate(kernel: LoopKernel, given: KernelArguments): void;
export function evaluate(kernel: GridKernel, given: KernelArguments, workgroups: Workgroups): void;
export function evaluate(kernel: Kernel, given: KernelArguments, workgroups: Workgroups = [1]): void {
  if (kernel.flavour === 'loop') prepareLoop(kernel)(given);
  else prepareGrid(kernel)(given, workgroups);
}

/** Runs a function of the language on values, as C or as WGSL would. */
export function evaluateFunction(
  callee: KernelFunction,
  operands: readonly Value[],
  flavour: Kernel['flavour'] = 'loop',
): Value {
  return compileFunction(callee, new Layout(semanticsOf[flavour], compileFunction))(operands);
}
