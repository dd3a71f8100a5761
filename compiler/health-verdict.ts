/**
 * What to make of the health of a quantized program: a collapse is an error, so that no script ships one. Judged by agreement where the output
 * is a list of classes, because SQNR misleads where a mean common to all logits dominates them; by SQNR where it is something else.
 *
 *     collapse:  the largest agreement still plausible for what was seen (97.5 %, see `plausibleShare`)  <  least agreement
 *
 * so that a few samples condemn only what is far below the bound. On drawn inputs a collapse is a warning: a model says nothing sensible about
 * pictures of nothing, and nobody can promise that two programs say the same nonsense.
 */
import { type Diagnostic, QcError } from '../ir/index.ts';
import type { HealthSummary, LayerSummary } from '../runtime/manifest.ts';
import type { BitsOptions } from './default-pipeline.ts';
import { plausibleShare } from './metrics.ts';

/** Agreement in percent below which a compilation is worth a warning. */
const soundAgreement = 75;

/** Decibels below which an output that is no list of classes is more noise than signal. */
const leastRatio = 0;

/** Layers that a message names. */
const namedLayers = 3;

/** Half-way between guessing and perfect, in percent: 75 for two classes, 55 for ten, 50 for a thousand. */
export function defaultLeastAgreement(classes: number): number {
  return 50 + 50 / Math.max(2, classes);
}

/** A quantized program that no longer says what the float one says. The command line ends with status 1. */
export class CollapseError extends QcError {
  readonly health: HealthSummary;

  constructor(diagnostic: Diagnostic, health: HealthSummary) {
    super(diagnostic);
    this.health = health;
  }
}

export interface VerdictOptions extends BitsOptions {
  /** Percent; 0 allows anything. Default: `defaultLeastAgreement`. */
  readonly minAgreement?: number;
  /** Shape of the output that was compared, batch first. */
  readonly outputShape: readonly number[];
  readonly layers: readonly LayerSummary[];
  readonly round?: string;
  /** Whether the samples were drawn. */
  readonly generated: boolean;
}

/** A warning, or a `CollapseError` thrown; undefined for a healthy program. */
export function judgeHealth(health: HealthSummary, options: VerdictOptions): Diagnostic | undefined {
  const { samples, agreement, sqnr_db: ratio } = health;
  const classes = classesOf(options.outputShape);
  const allowed = options.minAgreement === 0;
  const usual = defaultLeastAgreement(classes ?? 2);
  const bound = allowed ? usual : (options.minAgreement ?? usual);
  const collapsed =
    classes === undefined ? ratio !== null && ratio < leastRatio : plausibleShare(agreement, samples) < bound;
  const unsound = classes !== undefined && samples >= 8 && agreement < soundAgreement;
  if (!collapsed && !unsound) return undefined;
  const inputs = `${samples} ${options.generated ? 'drawn' : 'calibration'} inputs`;
  const seen =
    classes === undefined
      ? `the output of the quantized model is more noise than signal: ${ratio!.toFixed(1)} dB on ${inputs}`
      : `the quantized model agrees with the float one on ${agreement.toFixed(0)} % of ${inputs}`;
  const diagnostic: Diagnostic = {
    code: collapsed ? 'compile/collapse' : 'compile/health',
    severity: 'warning',
    message: seen,
    notes: [`weakest layers: ${weakestLayers(health, options.layers).map(described).join(', ')}`],
    help: remedies(health, options),
  };
  if (!collapsed || options.generated || allowed) return diagnostic;
  const limit = classes === undefined ? '' : `, surely below the ${bound.toFixed(0)} % of --min-agreement`;
  throw new CollapseError(
    {
      ...diagnostic,
      severity: 'error',
      message: `${seen}${limit}; nothing is written`,
      help: `${diagnostic.help!}; --min-agreement 0 writes it all the same`,
    },
    health,
  );
}

/** How many classes an output of this shape lists; undefined where it is something else. */
function classesOf([, ...sample]: readonly number[]): number | undefined {
  const extents = sample.filter((extent) => extent !== 1);
  return extents.length === 1 ? extents[0] : undefined;
}

interface WeakLayer {
  readonly name: string;
  readonly ratio: number;
  readonly bits: string;
}

/** The layers that differ most from float, the worst first. */
function weakestLayers(health: HealthSummary, layers: readonly LayerSummary[]): WeakLayer[] {
  const bits = new Map(layers.map(({ name, weight_bits: w, activation_bits: a }) => [name, `w${w}a${a}`]));
  return health.layers
    .flatMap(({ name, sqnr_db: ratio }) =>
      ratio === null ? [] : [{ name, ratio, bits: bits.get(name) ?? 'float' }],
    )
    .sort((a, b) => a.ratio - b.ratio)
    .slice(0, namedLayers);
}

function described({ name, ratio, bits }: WeakLayer): string {
  return `${name} (${bits}, ${ratio.toFixed(1)} dB)`;
}

/** What a user can do, ready to paste. Only what is not done already. */
function remedies(health: HealthSummary, options: VerdictOptions): string {
  const narrow = options.layers.some(({ weight_bits: w, activation_bits: a }) => Math.min(w, a) < 8);
  const rules = weakestLayers(health, options.layers)
    .filter(({ bits }) => bits !== 'w8a8')
    .map(({ name }) => selectorOf(name));
  const rest = options.layerBits === undefined ? '' : `; ${options.layerBits}`;
  return [
    ...(narrow ? ['--bits 8'] : []),
    ...(narrow && options.round !== 'gptq' ? ['--round gptq'] : []),
    ...(rules.length === 0
      ? []
      : [`more bits where it is worst: --layer-bits ${shellQuoted(`${rules.join(',')}=w8a8${rest}`)}`]),
    'calibration data like that of later use, with the right --preprocess',
  ]
    .join('; or ')
    .replace(/^/, 'try ');
}

/** One argument, whatever a model calls its layers. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A name as a selector reads it: quoted where it is no plain word. */
function selectorOf(name: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(name) && !['first', 'last', 'depthwise'].includes(name)
    ? name
    : JSON.stringify(name);
}
