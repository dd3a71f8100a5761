/**
 * Times a WGSL artifact in Node through the runtime that ships with it, on the adapter that the environment names (protocol:
 * line-process.ts). A run ends when the result has been read back.
 *
 *     node --import typescript-hooks.js ours-wgsl-session.ts ARTIFACT
 */
import { createInterface } from 'node:readline';
import { readArtifact } from '../compiler/artifact/artifact-files.ts';
import { openWgslRunner } from '../compiler/runners/node-wgsl.ts';
import { elementCount } from '../ir/index.ts';

const artifact = await readArtifact(process.argv[2]!);
const runner = await openWgslRunner(artifact);
const inputs = artifact.manifest.inputs.map(({ shape }) =>
  Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i) * 2),
);
await runner.run(inputs);
console.log(JSON.stringify({ kilobytes_of_weights: Math.round(artifact.manifest.weight_bytes / 1000) }));
for await (const line of createInterface({ input: process.stdin })) {
  const times: number[] = [];
  for (let i = 0; i < Number(line); i++) {
    const start = performance.now();
    await runner.run(inputs);
    times.push(performance.now() - start);
  }
  console.log(JSON.stringify(times));
}
await runner.close();
process.exit(0);
