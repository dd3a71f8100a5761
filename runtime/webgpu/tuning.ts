/** What a device was timed for: which of its kernels each step of a program runs with. */
import { adapterName, runsSubgroups } from './adapter.ts';
import { fileOf } from './dispatch.ts';
import type { ArtifactManifest, Tuning, WgslProgram } from './program.ts';

/** A digest of the kernels of a program: by it a tuning is known to be this program's. */
export function programDigest(manifest: ArtifactManifest, program: WgslProgram): string {
  const text = manifest.files.find(({ name }) => name === program.files.kernels)?.sha256.slice(0, 16) ?? '';
  // FNV-1a of the numbers.
  let hash = 0x811c9dc5;
  for (const character of JSON.stringify([program.kernels, program.dispatches.map(({ choices }) => choices)]))
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return `${text}${(hash >>> 0).toString(16).padStart(8, '0')}`;
}

/** Why a tuning cannot be this program's on this device; undefined where it can. */
export function tuningRefused(
  tuning: Tuning,
  manifest: ArtifactManifest,
  program: WgslProgram,
  device: GPUDevice,
): string | undefined {
  if ((tuning.format as string) !== 'qc-tuning/1') return 'it is no tuning';
  if (tuning.program !== programDigest(manifest, program)) return 'it is of another program';
  if (tuning.adapter !== adapterName(device)) return `it is of another adapter, ${tuning.adapter}`;
  const { dispatches } = program;
  const fits =
    tuning.choices.length === dispatches.length &&
    dispatches.every(({ choices }, i) => {
      const choice = choices[tuning.choices[i]!];
      return choice !== undefined && (fileOf(program, choice[0]) === 'kernels' || runsSubgroups(device));
    });
  return fits ? undefined : 'it names kernels that are not there';
}
