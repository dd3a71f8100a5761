/**
 * A WGSL artifact, compiled anew for one adapter: every kernel that the catalogue has for a layer is timed there, and the quickest is what the
 * artifact holds. The bits stay the same, and it still runs everywhere.
 */
import {
  allTiles,
  type ChooseTiles,
  estimatedTiles,
  planProgram,
  type TileChoice,
  wgsl,
  withOtherSizes,
} from '../backends/wgsl/index.ts';
import type { EmittedFile } from '../backends/backend.ts';
import { fail, type Graph } from '../ir/index.ts';
import type { Manifest } from '../runtime/manifest.ts';
import { tune, type TuneOptions } from '../runtime/measure.ts';
import { load, type WgslProgram } from '../runtime/model.ts';
import { adapterFamily } from '../runtime/webgpu/adapter.ts';
import { type ArtifactFile, assembleArtifact } from './artifact/artifact.ts';
import { imageEntry } from './compile.ts';
import type { Preprocess } from './data/preprocess.ts';

/** A kernel, as people know it. */
export interface KernelTime {
  /** Row of the catalogue, and invocations of a workgroup. */
  readonly kernel: string;
  readonly milliseconds: number;
}

/** A step of several kernels. */
export interface StepTuning {
  readonly step: string;
  /** What was there. */
  readonly before: KernelTime;
  /** What is there now. */
  readonly after: KernelTime;
  /** How many were timed. */
  readonly timed: number;
}

export interface TunedArtifact {
  readonly manifest: Manifest;
  readonly files: readonly ArtifactFile[];
  readonly steps: readonly StepTuning[];
}

export interface TuneArtifactOptions extends TuneOptions {
  readonly device: GPUDevice;
  readonly wgslLanguageFeatures: { has(feature: string): boolean };
  /** As the artifact records it. */
  readonly preprocess?: Preprocess | undefined;
}

/** What of an artifact is needed. */
export interface TunableArtifact {
  readonly manifest: Manifest;
  readonly read: (name: string) => Promise<Uint8Array>;
  readonly program: () => Promise<Graph>;
}

/** Roles of the files that depend on the choice of kernels. */
const changing: readonly string[] = ['source', 'weights'];

/** Tunes for a device. Fails with `tune/target` where it is no WGSL artifact, with `tune/format` where another version wrote it. */
export async function tuneArtifact(
  { manifest, read, program }: TunableArtifact,
  options: TuneArtifactOptions,
): Promise<TunedArtifact> {
  if (manifest.target !== 'wgsl') {
    fail(
      'tune/target',
      `the artifact is of target ${manifest.target}; kernels of wgsl are chosen by device`,
      {
        help: 'compile with --target wgsl; C code chooses by the instruction sets it finds when it runs',
      },
    );
  }
  // What is kept of the artifact, its runtime, must read what is written anew.
  const found = (manifest.program as { readonly format?: string } | undefined)?.format;
  if (found !== 'qc-wgsl/2') {
    fail(
      'tune/format',
      `the artifact's program is ${JSON.stringify(found ?? 'missing')}, expected "qc-wgsl/2"`,
      {
        help: 'another version of qc wrote it: compile the model again, then tune',
      },
    );
  }
  const graph = await program();
  const image = imageEntry(graph, options.preprocess).image;
  const emitted = { name: manifest.name, ...(image === undefined ? {} : { image }) };

  const everything = await wgsl.emit(graph, { ...emitted, tiles: allTiles });
  const wide = await assembled(manifest, everything.files, everything.program);
  const contents = new Map(wide.files.map(({ name, bytes }) => [name, bytes]));
  const { device, wgslLanguageFeatures } = options;
  const model = await load((name) => contents.get(name) ?? read(name), { device, wgslLanguageFeatures });
  const { steps: timed } = await tune(model, options).finally(() => {
    model.dispose();
  });

  const plan = planProgram(graph, image, allTiles);
  const steps: StepTuning[] = [];
  const chosen = new Map<string, readonly TileChoice[]>();
  for (const [i, { step, choices }] of plan.dispatches.entries()) {
    const { milliseconds, before, choice } = timed[i]!;
    if (choices.length === 1) continue;
    const kernel = (n: number): KernelTime => ({
      kernel: nameOf(choices[n]!.tile!),
      milliseconds: milliseconds[n]!,
    });
    steps.push({
      ...{ step, before: kernel(before), after: kernel(choice) },
      timed: milliseconds.filter((time) => !Number.isNaN(time)).length,
    });
    chosen.set(
      step,
      winners(
        choices.map(({ tile }) => tile!),
        milliseconds,
        choice,
      ),
    );
  }
  const tiles: ChooseTiles = (layer, leastQuads, step) =>
    chosen.get(step)?.flatMap((tile, i) => (i === 0 ? withOtherSizes(tile, layer) : [tile])) ??
    estimatedTiles(layer, leastQuads);
  const emission = await wgsl.emit(graph, { ...emitted, tiles });
  const kept = await Promise.all(
    manifest.files
      .filter(({ role }) => !changing.includes(role))
      .map(async ({ name, role }): Promise<EmittedFile> => ({ name, role, content: await read(name) })),
  );
  const changed = { ...(emission.program as WgslProgram), tuned_on: adapterFamily(device) };
  return { ...(await assembled(manifest, [...emission.files, ...kept], changed)), steps };
}

const assembled = (
  manifest: Manifest,
  files: readonly EmittedFile[],
  program: unknown,
): Promise<{ files: ArtifactFile[]; manifest: Manifest }> =>
  assembleArtifact(files, (listed) => ({ ...manifest, files: listed, program }));

const nameOf = ({ row, tile }: TileChoice): string => `${row.name}, ${Math.max(...tile.workgroup)}`;

/**
 * What an artifact holds of the tiles of a step: the quickest that every device can run, then the winner, if that takes subgroups. A device with such
 * subgroups begins with the latter, so it is left out where the former is the winner.
 */
function winners(
  tiles: readonly TileChoice[],
  milliseconds: readonly number[],
  choice: number,
): readonly TileChoice[] {
  const winner = tiles[choice]!;
  if (winner.tile.weights === 'own') return [winner];
  const own = tiles
    .map((tile, i) => ({ tile, time: milliseconds[i]! }))
    .filter(({ tile: { tile } }) => tile.weights === 'own')
    .reduce((best, each) => (each.time < best.time ? each : best));
  return [own.tile, winner];
}
