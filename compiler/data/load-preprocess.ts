/** What `--preprocess` was given: the name of a preset, or the path of a JSON file. */
import { fail } from '../../ir/diagnostics.ts';
import { basename, fileExists, quotePath, readText } from './files.ts';
import { imageInput, imageLayouts } from './image-input.ts';
import { isPresetName, presetNames, presetPreprocess, type Preprocess } from './preprocess.ts';
import { parsePreprocess } from './preprocess-schema.ts';

const mostBytes = 2 ** 16;

/**
 * The preprocessing for a model input of `shape` (batch dimension first). A preset is made for the size of its images; an input that
 * is no image has no size, and nothing will be resized to it. Fails with `data/preprocess`.
 */
export async function loadPreprocess(spec: string, shape: readonly number[]): Promise<Preprocess> {
  if (isPresetName(spec)) {
    const [layout] = imageLayouts(shape);
    return presetPreprocess(
      spec,
      layout === undefined ? { height: 224, width: 224 } : imageInput(shape, layout),
    );
  }
  if (!(await fileExists(spec))) {
    fail('data/preprocess', `${quotePath(spec)} is neither a preprocessing preset nor a file`, {
      help: `the presets are ${presetNames.join(', ')}; anything else is the path of a JSON file`,
    });
  }
  const text = await readText(spec, mostBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    fail(
      'data/preprocess',
      `${quotePath(spec)} is not JSON: ${error instanceof Error ? error.message : 'bad syntax'}`,
    );
  }
  return parsePreprocess(value, basename(spec).replace(/\.json$/i, ''), quotePath(spec));
}
