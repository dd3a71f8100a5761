/** `front.json`: the front of a search as data, and the same as a table. Names in it come from the model. */
import { fail } from '../../ir/index.ts';
import { JsonShape } from '../json-shape.ts';

export const frontFormat = 'qc-front/1';

/** Field names are those of the JSON. */
export interface FrontLayer {
  readonly name: string;
  readonly op: string;
  readonly weight_bits: number;
  readonly activation_bits: number;
}

export interface FrontPoint {
  readonly id: string;
  /** In the unit of the cost model. */
  readonly cost: number;
  /** KL divergence from the float model in nats: as measured where that was done, else as predicted. */
  readonly loss: number;
  readonly loss_is: 'measured' | 'predicted';
  /** The sum of what its layers lose alone; null where some layer was not measured alone at its bits. */
  readonly predicted_loss: number | null;
  /** Of the whole program; null where it was not measured. */
  readonly measured_loss: number | null;
  /** Percent of held-out samples that the float model and this agree on; null where not measured. */
  readonly agreement: number | null;
  /** Of the logits; null where not measured, or for equal logits. */
  readonly sqnr_db: number | null;
  readonly cost_ratio_to_bfloat16: number | null;
  /** Cost beside that of all layers at the widest choice. */
  readonly cost_ratio_to_widest: number;
  readonly compute_cost: number;
  readonly compute_cost_linear: number;
  readonly memory_cost: number;
  readonly layers: readonly FrontLayer[];
}

/** A program people know, measured like the points. */
export interface Baseline extends FrontPoint {
  readonly title: string;
  /** True where no point of the front costs no more and loses no more. */
  readonly on_front: boolean;
}

export interface LayerSensitivity {
  readonly layers: readonly string[];
  readonly precision: string;
  /** What changing these layers alone adds to the loss of the widest choice. */
  readonly added_loss: number;
  readonly kl: number;
  readonly agreement: number;
}

export interface FrontModel {
  readonly name: string;
  /** SHA-256 of the program as imported. */
  readonly digest: string;
  readonly layers: readonly {
    readonly name: string;
    readonly op: string;
    readonly macs: number;
    readonly weights: number;
  }[];
}

export interface Front {
  readonly format: typeof frontFormat;
  readonly model: FrontModel;
  readonly cost_model: string;
  readonly cost_unit: string;
  readonly cost_source: string;
  /** Of a bfloat16 program, where the cost model knows it. */
  readonly bfloat16_cost: number | null;
  readonly loss: 'kl';
  readonly choices: readonly string[];
  /** How the weights were rounded that losses were measured with: compile points the same way. */
  readonly round: string;
  readonly calibration: {
    readonly source: string;
    readonly method: string;
    readonly preprocess: string | null;
    /** Samples for ranges and rounding, and held out from them to measure on. */
    readonly samples: number;
    readonly measured_on: number;
    readonly digest: string;
  };
  /** False where the search was stopped: what is here holds, more would come. */
  readonly complete: boolean;
  /** 0 where the knapsack is exact: see `knapsack.ts`. */
  readonly knapsack_gap: number;
  /** Cheapest first. */
  readonly points: readonly FrontPoint[];
  /** Measured points that turned out to be dominated. */
  readonly dominated: readonly FrontPoint[];
  readonly baselines: readonly Baseline[];
  readonly sensitivities: readonly LayerSensitivity[];
  /** The front as predicted, thinned, for a line in a picture. */
  readonly predicted_front: { readonly costs: readonly number[]; readonly losses: readonly number[] };
}

const columns = [
  'kind',
  'id',
  'cost',
  'loss',
  'loss_is',
  'predicted_loss',
  'measured_loss',
  'agreement',
  'sqnr_db',
  'cost_ratio_to_bfloat16',
  'cost_ratio_to_widest',
  'compute_cost',
  'compute_cost_linear',
  'memory_cost',
] as const;

/** A row a point, then the baselines; a column a layer, its bits as `w4a8`. RFC 4180. */
export function frontCsv(front: Front): string {
  const rows: (readonly [kind: string, point: FrontPoint])[] = [
    ...front.points.map((point) => ['point', point] as const),
    ...front.baselines.map((point) => ['baseline', point] as const),
    ...front.dominated.map((point) => ['dominated', point] as const),
  ];
  const head = [...columns, ...front.model.layers.map(({ name }) => name)];
  const lines = rows.map(([kind, point]) => [
    kind,
    ...columns.slice(1).map((key) => point[key as Exclude<typeof key, 'kind'>] ?? ''),
    ...point.layers.map(precisionText),
  ]);
  return [head, ...lines].map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('');
}

/** Quoted where it must be. A cell that a spreadsheet would take for a formula gets an apostrophe before it: names come from models. */
function csvCell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `w4a8`; bfloat16 as `float`. */
export function precisionText({ weight_bits, activation_bits }: FrontLayer): string {
  return weight_bits > 8 ? 'float' : `w${weight_bits}a${activation_bits}`;
}

/** What a plan needs of a front. */
export type PlanFront = Pick<Front, 'model' | 'round' | 'cost_model'> & {
  readonly points: readonly Pick<FrontPoint, 'id' | 'layers'>[];
  readonly baselines: readonly Pick<FrontPoint, 'id' | 'layers'>[];
};

/** Reads a front for its plans: a file may come from anyone. `what` names it in errors, which have the code `plan/front`. */
export function parseFront(text: string, what: string): PlanFront {
  const shape = new JsonShape((problem) =>
    fail('plan/front', `${what} is not a front: ${problem}`, {
      help: 'qc search MODEL --calib PATH -o front.json writes one',
    }),
  );
  const front = shape.parse(text);
  shape.format(front, frontFormat);
  for (const key of ['cost_model', 'round']) shape.words(front[key], key);
  const model = shape.record(front['model'], 'model');
  for (const key of ['name', 'digest']) shape.words(model[key], `model.${key}`);
  for (const item of shape.list(model['layers'], 'model.layers')) {
    const layer = shape.record(item, 'model.layers');
    for (const key of ['name', 'op']) shape.words(layer[key], `model.layers.${key}`);
    for (const key of ['macs', 'weights']) shape.whole(layer[key], `model.layers.${key}`);
  }
  for (const key of ['points', 'baselines']) {
    for (const item of shape.list(front[key], key)) {
      const point = shape.record(item, key);
      shape.words(point['id'], `${key}.id`);
      for (const entry of shape.list(point['layers'], `${key}.layers`)) {
        const layer = shape.record(entry, `${key}.layers`);
        shape.words(layer['name'], `${key}.layers.name`);
        for (const bits of ['weight_bits', 'activation_bits'])
          shape.whole(layer[bits], `${key}.layers.${bits}`);
      }
    }
  }
  return front as unknown as PlanFront;
}
