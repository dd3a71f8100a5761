/**
 * What the kernels for images are told of one image, as i32 words: a header, then the taps of columns and of rows, each as (first, count) for
 * every position and then the weights.
 */
import type { ImageRule, ImageSize } from './placement.ts';
import { coverImage, placeImage } from './placement.ts';
import { filterTaps, reachOf, type Taps } from './taps.ts';

/** Which word of the header says what. */
export const imageHeader = {
  /** Where in the input the image goes, in words. */
  output: 0,
  /** Words from one row of the source to the next; a word holds R, G, B and one byte that is not read. */
  pitch: 1,
  /** First row of the source that is looked at, and how many. */
  firstRow: 2,
  rows: 3,
  columnTaps: 4,
  rowTaps: 5,
  /** Where the rows' taps begin. */
  rowsAt: 6,
  words: 8,
} as const;

export interface Geometry {
  readonly words: Int32Array<ArrayBuffer>;
  /** Rows of the source that are looked at. */
  readonly rows: number;
}

/**
 * Geometry of an image by the rule of a preprocessing. An image that the rule does not bring to the model's size is resized to cover it and
 * cropped at the centre: a page has photographs and camera frames of any size.
 */
export function imageGeometry(rule: ImageRule, input: ImageSize, image: ImageSize, pitch: number): Geometry {
  const placed = placeImage(rule, input, image);
  const { width, height, window } =
    placed.window === undefined ? coverImage(input, image) : { ...placed, window: placed.window };
  const filter = rule.resize?.filter ?? 'bilinear';
  const columns = filterTaps(image.width, width, filter, window.left, window.width);
  const rows = filterTaps(image.height, height, filter, window.top, window.height);
  const { first, end } = reachOf(rows);
  const rowsAt = imageHeader.words + 2 * columns.first.length + columns.weights.length;
  const words = new Int32Array(rowsAt + 2 * rows.first.length + rows.weights.length);
  words[imageHeader.pitch] = pitch;
  words[imageHeader.firstRow] = first;
  words[imageHeader.rows] = end - first;
  words[imageHeader.columnTaps] = columns.taps;
  words[imageHeader.rowTaps] = rows.taps;
  words[imageHeader.rowsAt] = rowsAt;
  writeTaps(words, imageHeader.words, columns, 0);
  writeTaps(words, rowsAt, rows, first);
  return { words, rows: end - first };
}

function writeTaps(words: Int32Array, start: number, { first, count, weights }: Taps, origin: number): void {
  for (let i = 0; i < first.length; i++) {
    words[start + 2 * i] = first[i]! - origin;
    words[start + 2 * i + 1] = count[i]!;
  }
  words.set(weights, start + 2 * first.length);
}
