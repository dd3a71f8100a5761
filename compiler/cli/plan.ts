/** `--plan front.json --point ID`: the bits of a point of a front, for the model at hand. */
import { readFile, stat } from 'node:fs/promises';
import { fail, type Graph } from '../../ir/index.ts';
import { layersOf } from '../../passes/layers.ts';
import type { BitsOptions, Rounding } from '../default-pipeline.ts';
import { roundings } from '../default-pipeline.ts';
import { parseFront } from '../search/front.ts';
import { planOf } from '../search/plan.ts';
import { floatModel, modelDigest } from '../search/search.ts';
import { type BitsFlags, bitsOf } from './options.ts';
import type { Terminal } from './terminal.ts';

const mostFrontBytes = 2 ** 28;

export interface PlannedBits {
  readonly bits: BitsOptions;
  /** How the losses of the front were measured; absent without a plan. */
  readonly round?: Rounding;
}

/** The bits that were asked for: by a plan where one is given, which overrides the rest, else by the other options. */
export async function plannedBits(flags: BitsFlags, graph: Graph, terminal: Terminal): Promise<PlannedBits> {
  const { plan, point } = flags;
  if (plan === undefined && point === undefined) return { bits: bitsOf(flags) };
  if (plan === undefined || point === undefined) {
    return fail('cli/plan', plan === undefined ? '--point needs --plan' : '--plan needs --point', {
      help: 'say --plan front.json --point ID; the points stand in the file and in what qc search printed',
    });
  }
  const what = JSON.stringify(plan);
  const found = await stat(plan).catch(() => undefined);
  if (found?.isFile() !== true) fail('cli/plan', `there is no front at ${what}`);
  if (found.size > mostFrontBytes) fail('cli/plan', `${what} has ${found.size} bytes, more than any front`);
  const front = parseFront(await readFile(plan, 'utf8'), what);
  const { layerBits, round, warnings } = planOf(
    front,
    point,
    { layers: layersOf(await floatModel(graph)), digest: await modelDigest(graph) },
    what,
  );
  for (const warning of warnings) terminal.report(warning);
  const rounding = roundings.find((known) => known === round);
  return { bits: { layerBits }, ...(rounding === undefined ? {} : { round: rounding }) };
}
