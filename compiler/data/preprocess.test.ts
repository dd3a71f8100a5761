import { describe, expect, it } from '@jest/globals';
import { imageInput, imageLayouts } from './image-input.ts';
import {
  channelTables,
  createPreprocessor,
  inputBounds,
  placement,
  presetNames,
  presetPreprocess,
  type Preprocess,
} from './preprocess.ts';
import { parsePreprocess } from './preprocess-schema.ts';

const size = { height: 224, width: 224 };
const nchw = { layout: 'NCHW', ...size } as const;

describe('presets', () => {
  it('survive being written as JSON and read back', () => {
    for (const name of presetNames) {
      const preset = presetPreprocess(name, size);
      expect(parsePreprocess(JSON.parse(JSON.stringify(preset)), 'other', 'x')).toEqual(preset);
    }
  });

  it('scale with the model', () => {
    expect(presetPreprocess('imagenet', size).resize).toEqual({
      shortSide: 256,
      keepFrom: 224,
      filter: 'bilinear',
    });
    expect(presetPreprocess('imagenet', { height: 32, width: 32 }).resize).toMatchObject({
      shortSide: 37,
      keepFrom: 32,
    });
    expect(presetPreprocess('imagenet', { height: 288, width: 192 }).resize).toMatchObject({
      shortSide: 329,
    });
  });

  it('normalise as float32 arithmetic does, step by step', () => {
    const f32 = (value: number): number => Float32Array.of(value)[0]!;
    const [mean, std] = [f32(0.456), f32(0.224)];
    const green = channelTables(presetPreprocess('imagenet', size))[1];
    for (let u = 0; u < 256; u++) expect(green[u]).toBe(f32(f32(f32(u / 255) - mean) / std));
    expect(channelTables(presetPreprocess('raw', size))[2]).toEqual(
      Float32Array.from({ length: 256 }, (_, u) => u),
    );
    expect(inputBounds(presetPreprocess('unit', size))).toEqual({ min: 0, max: 1 });
    expect(inputBounds(presetPreprocess('raw', size))).toEqual({ min: 0, max: 255 });
    // -0.485/0.229 and (1 - 0.406)/0.225
    const bounds = inputBounds(presetPreprocess('imagenet-norm', size));
    expect(bounds).toEqual({
      min: f32(f32(-f32(0.485)) / f32(0.229)),
      max: f32(f32(1 - f32(0.406)) / f32(0.225)),
    });
  });
});

describe('placement', () => {
  const imagenet = presetPreprocess('imagenet', size);

  // width, height, then resized to, and left, top: torchvision's Resize(256) and CenterCrop(224)
  it.each([
    [500, 375, 341, 256, 58, 16],
    [375, 500, 256, 341, 16, 58],
    [227, 227, 227, 227, 2, 2],
    [224, 300, 224, 300, 0, 38],
    [256, 259, 256, 259, 16, 18],
    [223, 223, 256, 256, 16, 16],
    [257, 257, 256, 256, 16, 16],
    [1, 60_000, 256, 15_360_000, 16, 7_679_888],
  ])('of %i x %i', (width, height, resizedWidth, resizedHeight, left, top) => {
    expect(placement(imagenet, nchw, { width, height }, 'x')).toEqual({
      width: resizedWidth,
      height: resizedHeight,
      window: { left, top, ...size },
    });
  });

  it('refuses another size where nothing resizes, and says what would', () => {
    expect(() =>
      placement(presetPreprocess('raw', size), nchw, { width: 227, height: 200 }, '"a.png"'),
    ).toThrow('"a.png" is 227 x 200 pixels; expected 224 x 224, since preprocessing "raw" does not resize');
    const small: Preprocess = { ...imagenet, resize: { shortSide: 200, keepFrom: 200, filter: 'bilinear' } };
    expect(() => placement(small, nchw, { width: 400, height: 400 }, '"a.png"')).toThrow(
      '"a.png" is 400 x 400 pixels (200 x 200 once resized); expected at least 224 x 224',
    );
  });

  it('stretches when told to', () => {
    const exact: Preprocess = { ...imagenet, resize: { exact: true, filter: 'bicubic' }, crop: 'none' };
    expect(placement(exact, nchw, { width: 10, height: 90 }, 'x')).toMatchObject({ width: 224, height: 224 });
  });
});

describe('a preprocessor', () => {
  const image = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const raw = presetPreprocess('raw', { height: 1, width: 2 });
  const run = (preprocess: Preprocess, layout: 'NCHW' | 'NHWC'): number[] => {
    const out = new Float32Array(7).fill(-1);
    createPreprocessor(preprocess, { layout, height: 1, width: 2 })(image, 'x', out, 1);
    return Array.from(out);
  };

  it('writes the layout and the channel order of the model', () => {
    expect(run(raw, 'NCHW')).toEqual([-1, 1, 4, 2, 5, 3, 6]);
    expect(run(raw, 'NHWC')).toEqual([-1, 1, 2, 3, 4, 5, 6]);
    expect(run({ ...raw, channelOrder: 'BGR' }, 'NHWC')).toEqual([-1, 3, 2, 1, 6, 5, 4]);
  });

  it("takes mean and std in the model's channel order", () => {
    expect(run({ ...raw, channelOrder: 'BGR', mean: [1, 0, 0] }, 'NHWC')).toEqual([-1, 2, 2, 1, 5, 5, 4]);
  });
});

describe('the layout of an input', () => {
  it('is read from its shape', () => {
    expect(imageInput([1, 3, 224, 200])).toEqual({ layout: 'NCHW', height: 224, width: 200 });
    expect(imageInput([-1, 32, 33, 3])).toEqual({ layout: 'NHWC', height: 32, width: 33 });
    expect(imageLayouts([1, 3, 8, 3])).toEqual(['NCHW', 'NHWC']);
  });

  it('must be said where it reads both ways, and exist', () => {
    expect(() => imageInput([1, 3, 8, 3])).toThrow('data/ambiguous-layout');
    expect(imageInput([1, 3, 8, 3], 'NHWC')).toEqual({ layout: 'NHWC', height: 3, width: 8 });
    expect(() => imageInput([1, 49, 10, 1])).toThrow(
      "the model's input is [1, 49, 10, 1]; images need [N, 3, H, W] or",
    );
    expect(() => imageInput([1, 3, 8, 8], 'NHWC')).toThrow('images need [N, H, W, 3]');
    expect(() => imageInput([1, 3, 0, 8])).toThrow('data/not-an-image-input');
    expect(() => imageInput([10])).toThrow('data/not-an-image-input');
  });
});

describe('a preprocessing file', () => {
  it('has defaults for everything', () => {
    expect(parsePreprocess({}, 'mine', 'x')).toEqual({ ...presetPreprocess('raw', size), name: 'mine' });
    expect(
      parsePreprocess({ mean: 127.5, std: [1, 2, 3], resize: { shortSide: 40 } }, 'mine', 'x'),
    ).toMatchObject({
      mean: [127.5, 127.5, 127.5],
      std: [1, 2, 3],
      resize: { shortSide: 40, keepFrom: 40, filter: 'bilinear' },
    });
    expect(parsePreprocess({ resize: { exact: true, filter: 'bicubic' } }, 'mine', 'x').resize).toEqual({
      exact: true,
      filter: 'bicubic',
    });
  });

  it.each<[unknown, string]>([
    [[], '"p.json" is not a JSON object'],
    [{ means: 1 }, '"p.json" has an unknown field "means"'],
    [{ mean: [1, 2] }, '"p.json".mean is [1,2]; expected a number or three numbers'],
    [{ scale: '1/255' }, '"p.json".scale is "1/255"; expected a finite number'],
    [{ std: 0 }, 'map bytes to infinities or all to one value'],
    [{ scale: 0 }, 'map bytes to infinities or all to one value'],
    [{ scale: 1e300 }, 'map bytes to infinities or all to one value'],
    [{ crop: true }, '"p.json".crop is true; expected "center" or "none"'],
    [{ layout: 'CHW' }, 'expected "auto", "NCHW" or "NHWC"'],
    [{ resize: 256 }, '"p.json": resize is not a JSON object'],
    [{ resize: {} }, '"p.json": resize.shortSide is missing'],
    [{ resize: { shortSide: 1e9 } }, 'resize.shortSide is 1000000000; expected a whole number of pixels'],
    [{ resize: { shortSide: 224, keepFrom: 256 } }, 'keepFrom is 256; expected at most shortSide, 224'],
    [{ resize: { exact: false } }, 'resize.exact is false; expected true'],
    [{ resize: { shortSide: 9, filter: 'lanczos' } }, 'expected "bilinear" or "bicubic"'],
  ])('is refused: %j', (value, message) => {
    expect(() => parsePreprocess(value, 'p', '"p.json"')).toThrow(message);
  });
});
