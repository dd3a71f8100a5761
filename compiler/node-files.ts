/** What of the compiler needs Node: models, data and artifacts on disk, and artifacts run on this machine. */
export {
  type Artifact,
  checkDestination,
  isArtifact,
  readArtifact,
  writeArtifact,
} from './artifact/artifact-files.ts';
export { findClassNames, readClassNames } from './data/class-names.ts';
export { openDataset } from './data/dataset.ts';
export { readNpyFile, readNpzFile, writeNpyFile, writeNpzFile } from './data/files.ts';
export { loadPreprocess } from './data/load-preprocess.ts';
export { loadOnnxFile } from './onnx/node-files.ts';
export { openCRunner } from './runners/node-c.ts';
export { openWgslRunner } from './runners/node-wgsl.ts';
