/**
 * A preprocessing file (and the record of one in an artifact), checked field by field: untrusted JSON in, a `Preprocess` out. Every
 * field has a default except that a misspelt one is an error, not a default.
 */
import { fail } from '../../ir/diagnostics.ts';
import { channelTables, type Preprocess, type Triple } from './preprocess.ts';
import { type ResizeFilter, resizeFilters } from '../../runtime/image/taps.ts';

const longestSide = 16_384;

/** Reads the JSON value of a preprocessing file; `name` stands in when it has none. Fails with `data/preprocess`. */
export function parsePreprocess(value: unknown, name: string, what: string): Preprocess {
  const read = fieldReader(value, what, [
    'name',
    'resize',
    'crop',
    'scale',
    'mean',
    'std',
    'channelOrder',
    'layout',
  ]);
  const preprocess: Preprocess = {
    name: read(
      'name',
      name,
      (field) => (typeof field === 'string' && field.length <= 256 ? field : undefined),
      'text',
    ),
    resize: parseResize(
      read('resize', null, (field) => field, ''),
      what,
    ),
    crop: read('crop', 'none', oneOf('center', 'none'), '"center" or "none"'),
    scale: read('scale', 1, finite, 'a finite number other than 0, such as 0.00392156862745098 for 1/255'),
    mean: read('mean', [0, 0, 0], triple, 'a number or three numbers'),
    std: read('std', [1, 1, 1], triple, 'a number or three numbers, none of them 0'),
    channelOrder: read('channelOrder', 'RGB', oneOf('RGB', 'BGR'), '"RGB" or "BGR"'),
    layout: read('layout', 'auto', oneOf('auto', 'NCHW', 'NHWC'), '"auto", "NCHW" or "NHWC"'),
  };
  const constant = channelTables(preprocess).some(
    (table) => !table.every(Number.isFinite) || table[0] === table[255],
  );
  if (constant) {
    fail('data/preprocess', `${what}: scale, mean and std map bytes to infinities or all to one value`, {
      help: 'v = (u * scale - mean) / std; for bytes to [0, 1] and ImageNet statistics, scale is 1/255',
    });
  }
  return preprocess;
}

function parseResize(value: unknown, what: string): Preprocess['resize'] {
  if (value === null) return null;
  const where = `${what}: resize`;
  const exact = typeof value === 'object' && 'exact' in value;
  const read = fieldReader(value, where, exact ? ['exact', 'filter'] : ['shortSide', 'keepFrom', 'filter']);
  const filter = read<ResizeFilter>('filter', 'bilinear', oneOf(...resizeFilters), '"bilinear" or "bicubic"');
  if (exact) {
    read('exact', undefined, (field) => (field === true ? true : undefined), 'true');
    return { exact: true, filter };
  }
  const sides = `a whole number of pixels, 1 to ${longestSide}`;
  const shortSide = read('shortSide', undefined, side, sides);
  const keepFrom = read('keepFrom', shortSide, side, sides);
  if (keepFrom > shortSide) {
    fail('data/preprocess', `${where}.keepFrom is ${keepFrom}; expected at most shortSide, ${shortSide}`);
  }
  return { shortSide, keepFrom, filter };
}

/** Reads a field of an object whose keys are all known; `undefined` as the fallback makes it required. */
function fieldReader(value: unknown, what: string, known: readonly string[]) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail('data/preprocess', `${what} is not a JSON object`, { help: `its fields are ${known.join(', ')}` });
  }
  const stranger = Object.keys(value).find((key) => !known.includes(key));
  if (stranger !== undefined) {
    fail('data/preprocess', `${what} has an unknown field ${JSON.stringify(stranger)}`, {
      help: `its fields are ${known.join(', ')}`,
    });
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  return <T>(
    key: string,
    fallback: T | undefined,
    parse: (field: unknown) => T | undefined,
    expected: string,
  ): T => {
    const field = fields.get(key);
    const parsed = fields.has(key) ? parse(field) : fallback;
    if (parsed !== undefined) return parsed;
    const found = fields.has(key) ? `is ${JSON.stringify(field).slice(0, 80)}` : 'is missing';
    return fail('data/preprocess', `${what}.${key} ${found}; expected ${expected}`);
  };
}

function finite(field: unknown): number | undefined {
  return typeof field === 'number' && Number.isFinite(field) ? field : undefined;
}

function side(field: unknown): number | undefined {
  return Number.isInteger(field) && Number(field) >= 1 && Number(field) <= longestSide
    ? Number(field)
    : undefined;
}

function triple(field: unknown): Triple | undefined {
  const [a, b, c, ...rest] = (Array.isArray(field) ? (field as unknown[]) : [field, field, field]).map(
    finite,
  );
  return a === undefined || b === undefined || c === undefined || rest.length > 0 ? undefined : [a, b, c];
}

function oneOf<const T extends string>(...words: readonly T[]): (field: unknown) => T | undefined {
  return (field) => words.find((word) => word === field);
}
