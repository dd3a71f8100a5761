import { describe, expect, it } from '@jest/globals';
import type { ResizeFilter } from '../../runtime/image/taps.ts';
import { resizeWindow, type RgbImage } from './resize.ts';

function imageOf(
  width: number,
  height: number,
  value: (x: number, y: number, c: number) => number,
): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const p = Math.floor(i / 3);
    return value(p % width, Math.floor(p / width), i % 3);
  });
  return { width, height, data };
}

const pattern = imageOf(7, 5, (x, y, c) => (x * 37 + y * 91 + c * 53 + x * y * c * 7) % 256);

function resize(image: RgbImage, width: number, height: number, filter: ResizeFilter): Uint8Array {
  return resizeWindow(image, width, height, filter, { left: 0, top: 0, width, height }).data;
}

describe('resizing', () => {
  // Expected bytes are Pillow 12's Image.resize of the same image.
  it.each<[ResizeFilter, number, number, number[]]>([
    [
      'bilinear',
      3,
      4,
      [
        55, 109, 150, 130, 147, 179, 163, 143, 122, 138, 154, 145, 131, 110, 127, 95, 129, 164, 95, 117, 116,
        96, 154, 124, 169, 128, 88, 117, 152, 131, 140, 129, 148, 83, 139, 85,
      ],
    ],
    [
      'bilinear',
      9,
      2,
      [
        79, 132, 127, 104, 123, 161, 107, 138, 149, 103, 149, 124, 132, 101, 164, 161, 127, 158, 132, 158,
        133, 113, 146, 132, 138, 82, 166, 87, 140, 135, 112, 140, 133, 114, 129, 115, 111, 126, 113, 140, 163,
        174, 105, 126, 126, 110, 148, 99, 133, 146, 87, 158, 92, 85,
      ],
    ],
    [
      'bicubic',
      3,
      4,
      [
        42, 103, 149, 136, 155, 188, 170, 141, 118, 146, 160, 148, 135, 104, 118, 84, 127, 177, 89, 113, 111,
        85, 159, 124, 185, 127, 81, 119, 155, 135, 146, 125, 149, 76, 140, 82,
      ],
    ],
    [
      'bicubic',
      9,
      2,
      [
        77, 132, 121, 105, 115, 166, 105, 137, 153, 97, 156, 119, 128, 101, 164, 171, 126, 162, 134, 169, 129,
        111, 150, 128, 143, 76, 172, 89, 144, 136, 117, 144, 132, 117, 126, 109, 111, 119, 108, 140, 163, 176,
        96, 121, 122, 101, 153, 93, 133, 152, 86, 157, 88, 82,
      ],
    ],
  ])("is Pillow's, %s to %i x %i", (filter, width, height, expected) => {
    expect(Array.from(resize(pattern, width, height, filter))).toEqual(expected);
  });

  it.each<ResizeFilter>(['bilinear', 'bicubic'])('to the same size is the identity (%s)', (filter) => {
    expect(resize(pattern, 7, 5, filter)).toEqual(pattern.data);
  });

  it.each<ResizeFilter>(['bilinear', 'bicubic'])(
    'keeps a flat image flat and stays in bytes (%s)',
    (filter) => {
      const flat = imageOf(50, 3, () => 255);
      expect(resize(flat, 11, 17, filter)).toEqual(new Uint8Array(11 * 17 * 3).fill(255));
      const checks = imageOf(16, 16, (x, y) => ((x + y) % 2) * 255);
      expect(resize(checks, 23, 9, filter)).toHaveLength(23 * 9 * 3);
    },
  );

  it('of a window is the window of the whole', () => {
    const whole = resize(pattern, 20, 11, 'bicubic');
    const window = { left: 3, top: 4, width: 6, height: 5 };
    const part = resizeWindow(pattern, 20, 11, 'bicubic', window).data;
    const expected = imageOf(6, 5, (x, y, c) => whole[((y + 4) * 20 + x + 3) * 3 + c]!).data;
    expect(part).toEqual(expected);
  });
});
