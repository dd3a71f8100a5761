/**
 * How the threads of a team share a step: each takes one run of neighbouring items, as even as whole items allow. An item is done by one thread, so
 * no byte is written by two, and what is computed does not depend on how many there are.
 *
 * Tiles that do not divide their loop start the last one early and compute some results twice. Such a loop is cut into runs of at least a tile,
 * within which the last tile starts early: again no two threads meet.
 */
import {
  add,
  div,
  eq,
  type Expression,
  i32,
  invoke,
  min,
  mul,
  pureFunction,
  type Operand,
  sub,
} from '../kernel/index.ts';
import type { StepWriter } from './step-writer.ts';

/** Items from, up to and not including, to. */
export interface Span {
  readonly from: Operand;
  readonly to: Operand;
}

/** A loop whose trips may be given to several threads. */
export interface Work {
  readonly items: number;
  /** A thread gets none, or at least so many. Default: 1. */
  readonly least?: number;
}

/** Items before part `part` of `parts`: the first parts have one more where they are not even. */
const itemsBefore = pureFunction(
  'items_before',
  {
    doc: ['Where part `part` of `parts` begins among `items` that are shared evenly.'],
    parameters: { items: 'i32', part: 'i32', parts: 'i32' },
    result: 'i32',
  },
  (b, { items, part, parts }) => {
    b.if(eq(parts, 1), () => {
      b.return(mul(items, part));
    });
    const each = b.let('each', div(items, parts));
    b.return(add(mul(each, part), min(part, sub(items, mul(each, parts)))));
  },
);

/** Most threads that have something to do. */
const mostParts = ({ items, least = 1 }: Work): number => Math.max(1, Math.floor(items / least));

/** Whether there is anything to share. */
export const divisible = (work: Work): boolean => mostParts(work) > 1;

const whole = ({ items }: Work): Span => ({ from: 0, to: items });

function spanOf({ block }: StepWriter, { items }: Work, part: Expression, parts: Expression): Span {
  // Of a part beyond the last nothing is left.
  const before = (at: Expression): Expression => invoke(itemsBefore, i32(items), min(at, parts), parts);
  return { from: block.let('begin', before(part)), to: block.let('end', before(add(part, 1))) };
}

/** What the calling thread does of the one loop of a step; where that is not divisible, the step is no team's and does all of it. */
export const shareStep = (writer: StepWriter, work: Work): Span =>
  divisible(work) ? share(writer, work) : whole(work);

/** What the calling thread does of a loop. Where that is not divisible, the first thread does all. */
export function share(writer: StepWriter, work: Work): Span {
  const { thread, threads } = writer.team;
  const parts = writer.block.let('parts', min(threads, mostParts(work)));
  return spanOf(writer, work, thread, parts);
}

/**
 * What the calling thread does of two loops, one in the other: the first is cut into as many parts as it can be, and where threads are left over
 * the second into as many as there are for each part.
 */
export function shareBoth(writer: StepWriter, first: Work, second: Work): readonly [Span, Span] {
  if (!divisible(second)) return [share(writer, first), whole(second)];
  if (!divisible(first)) return [whole(first), share(writer, second)];
  const { block, team } = writer;
  const parts = block.let('parts', min(team.threads, mostParts(first)));
  const parts2 = block.let('parts_within', min(div(team.threads, parts), mostParts(second)));
  const part = block.let('part', div(team.thread, parts2));
  const part2 = sub(team.thread, mul(part, parts2));
  return [spanOf(writer, first, part, parts), spanOf(writer, second, part2, parts2)];
}

/** Runs `body` on one thread of the team alone. */
export function once({ block, team }: StepWriter, body: () => void): void {
  block.if(eq(team.thread, 0), body);
}
