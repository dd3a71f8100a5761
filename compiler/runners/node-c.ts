/** C artifacts in Node: built with the machine's own compiler, run in a process of their own that stays for further runs. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { publicNames } from '../../backends/c/index.ts';
import { unpackTensor } from '../../backends/plan/index.ts';
import { elementCount, f32, fail, isStorage, plain, type Tensor, type TensorType } from '../../ir/index.ts';
import type { Manifest, StoredTensor } from '../../runtime/manifest.ts';
import { harnessFile, harnessSource } from './c-harness.ts';
import { type CMachine, thisMachine } from './node-c-machine.ts';
import { type BuildOptions, buildC, type CSource } from './node-c-build.ts';
import type { Runner } from './runner.ts';

/** What the runner needs to know of an artifact. */
export type CArtifact = Pick<Manifest, 'name' | 'inputs' | 'outputs' | 'tensors' | 'program'>;

export interface CRunnerOptions extends BuildOptions {
  /** Default: this one. */
  readonly machine?: CMachine;
  /** Threads that share a run. Default: 1. */
  readonly threads?: number;
}

/** Files of an artifact that a program with so many threads is built of, by role. */
export const builtRoles = (threads: number): readonly string[] => [
  'source',
  'header',
  'weights',
  ...(threads === 1 ? [] : ['threads']),
];

/** Builds and starts an artifact that `qc compile` wrote; `read` gives the bytes of a file of it. */
export async function openCRunner(
  artifact: { readonly manifest: Manifest; readonly read: (name: string) => Promise<Uint8Array> },
  options: CRunnerOptions = {},
): Promise<Runner> {
  const { manifest, read } = artifact;
  const roles = builtRoles(options.threads ?? 1);
  const wanted = manifest.files.filter(({ role }) => roles.includes(role));
  const sources = await Promise.all(wanted.map(async ({ name }) => ({ name, content: await read(name) })));
  return buildCRunner(sources, manifest, options);
}

/** Builds and starts a C artifact given as files; with `threads`, its pool is among them. Fails with `c/threads` on a machine that has none. */
export async function buildCRunner(
  sources: readonly CSource[],
  artifact: CArtifact,
  { machine = thisMachine, threads = 1, ...options }: CRunnerOptions = {},
): Promise<Runner> {
  if (threads !== 1 && !machine.threads) {
    fail('c/threads', `${machine.summary} has one thread, not ${threads}`, { help: 'use --threads 1' });
  }
  const names = publicNames(artifact.name);
  const harness = harnessSource(names, {
    inputs: artifact.inputs.map(({ shape }) => elementCount(shape)),
    outputs: artifact.outputs.map(({ shape }) => elementCount(shape)),
    tensors: artifact.tensors.length,
  });
  const { program, compiler } = await buildC([...sources, { name: harnessFile, content: harness }], {
    ...machine.build,
    ...options,
    flags: [
      ...machine.target,
      ...(options.flags ?? machine.flags),
      `-D${names.traceSwitch}`,
      ...(threads === 1 ? [] : ['-pthread', '-DQC_THREADS']),
    ],
  });
  const emulated = machine === thisMachine ? '' : `${machine.summary} on `;
  const team = threads === 1 ? 'one thread' : `${threads} threads`;
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor';
  const device = `${emulated}${processor}, ${team}, ${compiler}`;
  return new CRunner(artifact, device, () => [...machine.launch(program), String(threads)]);
}

const commands = { run: 'r', trace: 't', bench: 'b' } as const;

class CRunner implements Runner {
  readonly #artifact: CArtifact;
  readonly #device: string;
  readonly #launch: () => readonly [command: string, ...args: string[]];
  #process: Answering | undefined;
  /** Requests wait for one another: the process answers one at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    artifact: CArtifact,
    device: string,
    launch: () => readonly [command: string, ...args: string[]],
  ) {
    this.#artifact = artifact;
    this.#device = device;
    this.#launch = launch;
  }

  readonly run = async (inputs: readonly Float32Array[]): Promise<Float32Array[]> =>
    this.#request('run', inputs, 0, 0, async (process) => this.#outputs(process));

  readonly trace = async (inputs: readonly Float32Array[]): Promise<ReadonlyMap<string, Tensor>> =>
    this.#request('trace', inputs, 0, 0, async (process) => {
      const tensors = new Map<string, Tensor>();
      for (;;) {
        const [number] = new Int32Array(await process.bytes(4));
        if (number === -1) break;
        const [size] = new Int32Array(await process.bytes(4));
        const bytes = await process.bytes(size!);
        const stored = this.#artifact.tensors[number!]!;
        tensors.set(stored.name, unpackTensor(new Uint8Array(bytes), typeOf(stored), stored.layout));
      }
      await this.#outputs(process);
      return tensors;
    });

  readonly bench: Runner['bench'] = async (inputs, { repeat, warmup }) =>
    this.#request('bench', inputs, repeat, warmup, async (process) => {
      const milliseconds = Array.from(new Float64Array(await process.bytes(8 * repeat)));
      const count = Math.max(1, this.#artifact.tensors.length);
      const times = new Float64Array(await process.bytes(8 * repeat * count));
      const [length] = new Int32Array(await process.bytes(4));
      const isa = Buffer.from(await process.bytes(length!)).toString('latin1');
      return { milliseconds, layers: this.#layers(times, repeat, count), device: this.#device, isa };
    });

  readonly close = async (): Promise<void> => {
    await this.#turn.catch(() => undefined);
    await this.#process?.end();
    this.#process = undefined;
  };

  /** Sends a request and has `answer` read what comes back. The process is started when it is first needed, and again if it died. */
  async #request<T>(
    command: keyof typeof commands,
    inputs: readonly Float32Array[],
    count: number,
    warmup: number,
    answer: (process: Answering) => Promise<T>,
  ): Promise<T> {
    this.#checkInputs(inputs);
    const work = this.#turn
      .catch(() => undefined)
      .then(async () => {
        if (this.#process?.alive !== true) this.#process = new Answering(this.#launch());
        const head = Int32Array.of(commands[command].charCodeAt(0), count, warmup);
        this.#process.send([head, ...inputs]);
        return answer(this.#process);
      });
    this.#turn = work;
    return work;
  }

  #checkInputs(inputs: readonly Float32Array[]): void {
    for (const [i, { name, shape }] of this.#artifact.inputs.entries()) {
      const found = inputs[i]?.length ?? 0;
      if (found !== elementCount(shape)) {
        fail(
          'run/input-size',
          `input ${JSON.stringify(name)} has ${found} values, expected ${elementCount(shape)} for [${shape.join(', ')}]`,
        );
      }
    }
  }

  async #outputs(process: Answering): Promise<Float32Array[]> {
    const outputs: Float32Array[] = [];
    for (const { shape } of this.#artifact.outputs) {
      outputs.push(new Float32Array(await process.bytes(4 * elementCount(shape))));
    }
    return outputs;
  }

  /** The median time of each step: the sum over the tensors it stores. A step that stores nothing traced counts with the next. */
  #layers(times: Float64Array, repeat: number, count: number): { name: string; milliseconds: number }[] {
    return stepsOf(this.#artifact).map(({ name, tensors }) => {
      const samples = Array.from({ length: repeat }, (_, run) =>
        tensors.reduce((sum, tensor) => sum + times[run * count + tensor]!, 0),
      );
      samples.sort((a, b) => a - b);
      return { name, milliseconds: samples[Math.floor(repeat / 2)] ?? 0 };
    });
  }
}

function stepsOf({ program, tensors }: CArtifact): readonly { name: string; tensors: readonly number[] }[] {
  const steps = (program as { steps?: unknown } | undefined)?.steps;
  if (!Array.isArray(steps)) return tensors.map(({ name }, i) => ({ name, tensors: [i] }));
  return steps as { name: string; tensors: readonly number[] }[];
}

function typeOf({ storage, shape }: StoredTensor): TensorType {
  return isStorage(storage) ? plain(storage, shape) : f32(shape);
}

/** A process that is asked through its standard input and answers through its standard output. */
class Answering {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #chunks: Buffer[] = [];
  #available = 0;
  #ended: string | undefined;
  #wake: (() => void) | undefined;
  #said = '';

  constructor([command, ...args]: readonly [string, ...string[]]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#available += chunk.length;
      this.#wake?.();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk.toString()}`.slice(-4000);
    });
    const stop = (reason: string): void => {
      this.#ended ??= reason;
      this.#wake?.();
    };
    this.#child.on('error', (error) => {
      stop(error.message);
    });
    this.#child.on('close', (code, signal) => {
      stop(signal === null ? `exit status ${code ?? 0}` : `signal ${signal}`);
    });
    // A process that is gone closes the pipe; why it is gone is said by its end.
    this.#child.stdin.on('error', () => undefined);
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  send(parts: readonly (Int32Array | Float32Array)[]): void {
    for (const part of parts) {
      this.#child.stdin.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    }
  }

  /** The next `count` bytes, in memory of their own. Fails with `c/run` if the process ends first. */
  async bytes(count: number): Promise<ArrayBuffer> {
    while (this.#available < count) {
      if (this.#ended !== undefined) {
        fail('c/run', `the compiled artifact stopped: ${this.#ended}`, { notes: this.#said.split('\n') });
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    const result = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const chunk = this.#chunks[0]!;
      const part = chunk.subarray(0, count - at);
      result.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#available -= count;
    return result.buffer;
  }

  async end(): Promise<void> {
    if (!this.alive) return;
    const closed = new Promise<void>((resolve) => {
      this.#child.once('close', () => {
        resolve();
      });
    });
    this.#child.stdin.end();
    await closed;
  }
}
