/**
 * Whether a model's input is an image, and how it lies in memory.
 *
 * Decided from the shape alone: [N, 3, H, W] is NCHW, [N, H, W, 3] is NHWC. A shape that reads both ways (an image three pixels high
 * or wide) is an error unless the preprocessing says which; a shape that reads neither way takes `.npy` in its own layout only.
 */
import { fail } from '../../ir/diagnostics.ts';

export type ImageLayout = 'NCHW' | 'NHWC';

export interface ImageInput {
  readonly layout: ImageLayout;
  readonly height: number;
  readonly width: number;
}

/** The layouts `shape` can be read in. The batch dimension, first, may be anything. */
export function imageLayouts(shape: readonly number[]): ImageLayout[] {
  const [, a, b, c] = shape;
  if (shape.length !== 4 || a === undefined || b === undefined || c === undefined) return [];
  if (Math.min(a, b, c) < 1) return [];
  return [...(a === 3 ? (['NCHW'] as const) : []), ...(c === 3 ? (['NHWC'] as const) : [])];
}

/** The image a model reads. Fails with `data/not-an-image-input` or `data/ambiguous-layout`. */
export function imageInput(shape: readonly number[], declared: ImageLayout | 'auto' = 'auto'): ImageInput {
  const layouts = imageLayouts(shape);
  const printed = `[${shape.join(', ')}]`;
  if (layouts.length === 0 || (declared !== 'auto' && !layouts.includes(declared))) {
    const wanted =
      declared === 'NCHW'
        ? '[N, 3, H, W]'
        : declared === 'NHWC'
          ? '[N, H, W, 3]'
          : '[N, 3, H, W] or [N, H, W, 3]';
    fail('data/not-an-image-input', `the model's input is ${printed}; images need ${wanted}`, {
      help: "give f32 data in the model's own layout as .npy",
    });
  }
  if (layouts.length > 1 && declared === 'auto') {
    fail('data/ambiguous-layout', `the model's input ${printed} can be read as NCHW and as NHWC`, {
      help: 'say which in a preprocessing file: {"layout": "NCHW", ...}',
    });
  }
  const layout = declared === 'auto' ? layouts[0]! : declared;
  const [height, width] = layout === 'NCHW' ? [shape[2]!, shape[3]!] : [shape[1]!, shape[2]!];
  return { layout, height, width };
}
