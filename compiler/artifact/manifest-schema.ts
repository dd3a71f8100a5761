/**
 * From JSON to a `Manifest`. An artifact may come from anyone: every field that later code relies on is checked here, once, and a file's
 * name is a relative path of plain segments, so that no manifest can name something outside its folder.
 */
import { elementCount, fail, isStorage, maxElements } from '../../ir/index.ts';
import type { Manifest } from '../../runtime/manifest.ts';
import { manifestFormat } from './artifact.ts';

/** Reads a manifest. `what` names the file in errors, which have the code `artifact/manifest`. */
export function parseManifest(text: string, what: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return broken(what, `it is not JSON (${error instanceof Error ? error.message : 'bad syntax'})`);
  }
  const manifest = record(value, what, 'the document');
  if (manifest['format'] !== manifestFormat) {
    broken(
      what,
      `its format is ${JSON.stringify(manifest['format'])}, expected ${JSON.stringify(manifestFormat)}`,
    );
  }
  for (const key of ['target', 'name', 'pipeline']) words(manifest[key], what, key);
  for (const key of ['inputs', 'outputs']) {
    for (const entry of list(manifest[key], what, key)) port(entry, what, key);
  }
  if (manifest['class_names'] !== undefined) {
    for (const name of list(manifest['class_names'], what, 'class_names')) words(name, what, 'class_names');
  }
  for (const entry of list(manifest['layers'], what, 'layers')) {
    const layer = record(entry, what, 'layers');
    for (const key of ['name', 'op']) words(layer[key], what, `layers.${key}`);
    for (const key of ['weight_bits', 'activation_bits']) whole(layer[key], what, `layers.${key}`);
  }
  for (const entry of list(manifest['tensors'], what, 'tensors')) storedTensor(entry, what);
  for (const key of ['weight_bytes', 'arena_bytes']) whole(manifest[key], what, key);
  if (manifest['arena_lower_bound_bytes'] !== undefined) {
    whole(manifest['arena_lower_bound_bytes'], what, 'arena_lower_bound_bytes');
  }
  for (const entry of list(manifest['warnings'], what, 'warnings')) words(entry, what, 'warnings');
  calibration(manifest['calibration'], what);
  health(manifest['health'], what);
  const names = new Set<string>();
  for (const entry of list(manifest['files'], what, 'files')) {
    const file = record(entry, what, 'files');
    const name = words(file['name'], what, 'files.name');
    if (!isFileName(name) || names.has(name)) broken(what, `it lists a file ${JSON.stringify(name)}`);
    names.add(name);
    words(file['role'], what, 'files.role');
    whole(file['bytes'], what, 'files.bytes');
    if (!/^[0-9a-f]{64}$/.test(words(file['sha256'], what, 'files.sha256'))) {
      broken(what, `the digest of ${JSON.stringify(name)} is no SHA-256`);
    }
  }
  return value as Manifest;
}

/** A relative path whose segments are plain names: no `..`, nothing hidden, no other separator. */
export function isFileName(name: string): boolean {
  return (
    name.length <= 400 && /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*){0,4}$/.test(name)
  );
}

function port(value: unknown, what: string, key: string): void {
  const { name, shape } = record(value, what, key);
  words(name, what, `${key}.name`);
  extents(shape, what, `${key}.shape`);
}

function storedTensor(value: unknown, what: string): void {
  const tensor = record(value, what, 'tensors');
  words(tensor['name'], what, 'tensors.name');
  const storage = words(tensor['storage'], what, 'tensors.storage');
  if (storage !== 'f32' && !isStorage(storage)) broken(what, `${JSON.stringify(storage)} is no storage`);
  const shape = extents(tensor['shape'], what, 'tensors.shape');
  const layout = record(tensor['layout'], what, 'tensors.layout');
  const strides = list(layout['strides'], what, 'tensors.layout.strides');
  for (const stride of strides) whole(stride, what, 'tensors.layout.strides');
  if (strides.length !== shape.length) broken(what, 'a layout has another rank than its tensor');
  for (const key of ['bits', 'bytes']) whole(layout[key], what, `tensors.layout.${key}`);
}

function calibration(value: unknown, what: string): void {
  if (value === null) return;
  const summary = record(value, what, 'calibration');
  for (const key of ['source', 'method']) words(summary[key], what, `calibration.${key}`);
  whole(summary['samples'], what, 'calibration.samples');
  if (typeof summary['generated'] !== 'boolean') broken(what, 'calibration.generated is no truth value');
}

function health(value: unknown, what: string): void {
  if (value === undefined || value === null) return;
  const summary = record(value, what, 'health');
  whole(summary['samples'], what, 'health.samples');
  percentage(summary['agreement'], what, 'health.agreement');
  decibels(summary['sqnr_db'], what, 'health.sqnr_db');
  for (const entry of list(summary['layers'], what, 'health.layers')) {
    const layer = record(entry, what, 'health.layers');
    words(layer['name'], what, 'health.layers.name');
    decibels(layer['sqnr_db'], what, 'health.layers.sqnr_db');
    if (layer['weights_at_limit'] !== null) {
      percentage(layer['weights_at_limit'], what, 'health.layers.weights_at_limit');
    }
    for (const key of ['dead_channels', 'dead_in_float']) whole(layer[key], what, `health.layers.${key}`);
  }
  for (const entry of list(summary['activations'], what, 'health.activations')) {
    const activation = record(entry, what, 'health.activations');
    for (const key of ['name', 'storage']) words(activation[key], what, `health.activations.${key}`);
    for (const name of list(activation['read_by'], what, 'health.activations.read_by')) {
      words(name, what, 'health.activations.read_by');
    }
    percentage(activation['clipped'], what, 'health.activations.clipped');
  }
}

function percentage(value: unknown, what: string, key: string): void {
  if (typeof value !== 'number' || !(value >= 0 && value <= 100)) broken(what, `${key} is no percentage`);
}

function decibels(value: unknown, what: string, key: string): void {
  if (value !== null && typeof value !== 'number') broken(what, `${key} is no number`);
}

function extents(value: unknown, what: string, key: string): number[] {
  const shape = list(value, what, key).map((extent) => whole(extent, what, key));
  if (shape.length > 8 || shape.some((extent) => extent < 1) || elementCount(shape) > maxElements) {
    broken(what, `${key} is [${shape.join(', ')}]`);
  }
  return shape;
}

function record(value: unknown, what: string, key: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    broken(what, `${key} is no object`);
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string, key: string): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : broken(what, `${key} is no list`);
}

function words(value: unknown, what: string, key: string): string {
  return typeof value === 'string' ? value : broken(what, `${key} is no text`);
}

function whole(value: unknown, what: string, key: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? value
    : broken(what, `${key} is no whole number`);
}

function broken(what: string, problem: string): never {
  fail('artifact/manifest', `${what} is not the manifest of an artifact: ${problem}`, {
    help: 'compile the model again; manifests are not written by hand',
  });
}
