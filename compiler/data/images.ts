/**
 * JPEG and PNG files to 8-bit RGB, pixel for pixel what Pillow's `Image.open(path).convert('RGB')` gives, because that is what models
 * were trained on:
 * - the EXIF orientation is not applied and embedded colour profiles are ignored, as in torchvision's loader;
 * - grey is repeated, a palette is looked up, alpha is dropped and not blended;
 * - CMYK is converted by the plain formula, not through a print profile.
 * 16-bit PNGs keep their high byte; there Pillow clips to 255, which serves nobody.
 *
 * Files are untrusted: only what starts like a JPEG or a PNG reaches the decoder, whose pixel count is limited, and a truncated or
 * damaged file is an error rather than a partly grey image.
 */
import sharp from 'sharp';
import { fail } from '../../ir/diagnostics.ts';
import { quotePath, readBytes } from './files.ts';
import type { RgbImage } from './resize.ts';

/** 64 Mpixel decode to 192 MiB. */
const mostPixels = 2 ** 26;
const mostBytes = 2 ** 28;

/** Whether a file counts as an image, by its name. */
export function isImageName(name: string): boolean {
  return /\.(jpe?g|png)$/i.test(name);
}

/** Decodes a file. Fails with an error that names it: `data/empty-file`, `data/not-an-image`, `data/corrupt-image` and so on. */
export async function readImage(path: string): Promise<RgbImage> {
  return decodeImage(await readBytes(path, mostBytes), quotePath(path));
}

export async function decodeImage(bytes: Uint8Array, what: string): Promise<RgbImage> {
  if (bytes.length === 0) fail('data/empty-file', `${what} is empty; a JPEG or PNG is expected`);
  if (
    !startsWith(bytes, [0xff, 0xd8, 0xff]) &&
    !startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  ) {
    fail('data/not-an-image', `${what} is neither a JPEG nor a PNG: it does not start like one`);
  }
  try {
    const image = sharp(bytes, { ignoreIcc: true, failOn: 'error', limitInputPixels: mostPixels });
    const isCmyk = (await image.metadata()).space === 'cmyk';
    const pixels = isCmyk
      ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
      : image.toColourspace('srgb').removeAlpha();
    const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    return { width, height, data: isCmyk ? rgbOfCmyk(data) : new Uint8Array(data) };
  } catch (error) {
    const reason = String(error).replace(/^Error: |\n.*/gs, '');
    return fail('data/corrupt-image', `${what} cannot be decoded: ${reason}`, {
      help: 'remove it or replace it by an intact JPEG or PNG of at most 64 megapixels',
    });
  }
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

/** R = (255 - K) * (255 - C) / 255 and so on, in the fixed point Pillow uses. */
function rgbOfCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let p = 0; p * 4 < cmyk.length; p++) {
    const light = 255 - cmyk[p * 4 + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = cmyk[p * 4 + c]! * light + 128;
      rgb[p * 3 + c] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}
