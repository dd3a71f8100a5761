/**
 * Measured latency, as a file: what each layer took on one machine, at the bits it had. `qc bench --profile` writes it, one run for each
 * artifact that was timed; `qc search --cost-model latency:c` reads it. A profile that covers a search has a run for each choice: artifacts
 * with all layers alike (`--precision w8a8`, `--precision w4a4`, ...) do.
 *
 * A step of an artifact is a layer with what is fused into it; steps without a layer (pools, the edges) are counted together as `other`. A
 * layer is known by its position, and its op and size must agree: names may be those of other exporters.
 */
import { machines } from '../../backends/c/index.ts';
import { fail } from '../../ir/index.ts';
import { JsonShape } from '../json-shape.ts';
import type { Layer } from '../../passes/layers.ts';
import { formatPrecision, type Precision } from '../../passes/selector/index.ts';

export const profileFormat = 'qc-profile/1';

export interface ProfiledLayer {
  readonly name: string;
  readonly op: string;
  /** Of its result, batch first. */
  readonly shape: readonly number[];
  readonly macs: number;
  readonly weights: number;
  readonly weight_bits: number;
  readonly activation_bits: number;
  readonly milliseconds: number;
}

export interface ProfileRun {
  readonly target: string;
  /** Processor or adapter, in words. */
  readonly device: string;
  /** The instruction set that was used, where the target chooses among some. */
  readonly isa: string | null;
  readonly threads: number;
  readonly layers: readonly ProfiledLayer[];
  /** Steps that belong to no layer. */
  readonly other_ms: number;
}

export interface LatencyProfile {
  readonly format: typeof profileFormat;
  readonly runs: readonly ProfileRun[];
}

/** The profile with one run more; a former run of the same target, device, threads and bits gives way. */
export function withRun(profile: LatencyProfile | undefined, run: ProfileRun): LatencyProfile {
  const key = ({ target, device, isa, threads, layers }: ProfileRun): string =>
    JSON.stringify([
      target,
      device,
      isa,
      threads,
      layers.map((layer) => [layer.op, layer.macs, layer.weights, layer.weight_bits, layer.activation_bits]),
    ]);
  const others = (profile?.runs ?? []).filter((other) => key(other) !== key(run));
  return { format: profileFormat, runs: [...others, run] };
}

/** Reads a profile. `what` names the file in errors, which have the code `profile/format`. */
export function parseProfile(text: string, what: string): LatencyProfile {
  const shape = new JsonShape((problem) =>
    fail('profile/format', `${what} is not a latency profile: ${problem}`, {
      help: 'qc bench DIR --profile FILE writes one',
    }),
  );
  const document = shape.parse(text);
  shape.format(document, profileFormat);
  for (const entry of shape.list(document['runs'], 'runs')) {
    const run = shape.record(entry, 'runs');
    for (const key of ['target', 'device']) shape.words(run[key], `runs.${key}`);
    if (run['isa'] !== null) shape.words(run['isa'], 'runs.isa');
    for (const key of ['threads', 'other_ms']) shape.amount(run[key], `runs.${key}`);
    for (const item of shape.list(run['layers'], 'runs.layers')) {
      const layer = shape.record(item, 'runs.layers');
      for (const key of ['name', 'op']) shape.words(layer[key], `runs.layers.${key}`);
      for (const extent of shape.list(layer['shape'], 'runs.layers.shape'))
        shape.amount(extent, 'runs.layers.shape');
      for (const key of ['macs', 'weights', 'weight_bits', 'activation_bits', 'milliseconds'])
        shape.amount(layer[key], `runs.layers.${key}`);
    }
  }
  return document as unknown as LatencyProfile;
}

export interface ProfiledCosts {
  readonly costs: readonly (readonly number[])[];
  readonly fixed: number;
  readonly source: string;
}

/**
 * Milliseconds of every layer at every choice. Fails with `profile/missing`, which lists what is missing; `profile/devices` where runs come
 * from several machines, whose times cannot be added.
 */
export function profiledCosts(
  target: string,
  layers: readonly Layer[],
  choices: readonly Precision[],
  profiles: readonly LatencyProfile[],
): ProfiledCosts {
  const runs = profiles
    .flatMap((profile) => profile.runs)
    .filter((run) => run.target === target && fits(run, layers));
  const devices = [
    ...new Set(runs.map(({ device, isa, threads }) => JSON.stringify([device, familyOf(isa), threads]))),
  ];
  if (devices.length > 1) {
    fail(
      'profile/devices',
      `the profiles for ${target} were measured in ${devices.length} ways, whose times cannot be added`,
      {
        notes: devices,
        help: 'give profiles of one device, one instruction set and one number of threads',
      },
    );
  }
  const missing: string[] = [];
  const costs = layers.map((layer, i) =>
    choices.map((choice) => {
      const times = runs
        .map((run) => run.layers[i]!)
        .filter(
          (found) =>
            found.weight_bits === choice.weightBits && found.activation_bits === choice.activationBits,
        )
        .map(({ milliseconds }) => milliseconds);
      if (times.length === 0) missing.push(`${layer.name} at ${formatPrecision(choice)}`);
      return times.length === 0 ? 0 : Math.min(...times);
    }),
  );
  if (missing.length > 0) {
    const shown = missing.slice(0, 8);
    fail('profile/missing', `no profile says how long ${missing[0]!} takes on ${target}`, {
      notes: [
        ...shown,
        ...(missing.length > shown.length ? [`and ${missing.length - shown.length} more`] : []),
      ],
      help: `compile with --target ${target} at each width (--precision w8a8, --precision w4a4, ...), run qc bench DIR --profile FILE on each, and give --profile FILE; without --profile, search does it itself`,
    });
  }
  return {
    costs,
    fixed: Math.min(...runs.map(({ other_ms }) => other_ms)),
    source: `${target} on ${deviceText(runs[0]!)}`,
  };
}

/** The instruction set that a refined one also is: which of the two an artifact uses depends on its bits, not on the machine. */
const familyOf = (isa: string | null): string | null =>
  machines.find((machine) => machine.isa.name === isa)?.refines?.isa.name ?? isa;

function deviceText({ device, isa, threads }: ProfileRun): string {
  return [device, ...(isa === null ? [] : [isa]), `${threads} thread${threads === 1 ? '' : 's'}`].join(', ');
}

function fits(run: ProfileRun, layers: readonly Layer[]): boolean {
  return (
    run.layers.length === layers.length &&
    layers.every(({ op, macs, weights }, i) => {
      const found = run.layers[i]!;
      return found.op === op && found.macs === macs && found.weights === weights;
    })
  );
}
