/** What the emitter of an anchor op is: it loops over the rows of its result and hands each, still in registers or scratch memory, on. */
import type { Node } from '../../ir/index.ts';
import type { Expression } from '../kernel/index.ts';
import type { RowReader, RowSpace } from './rows.ts';
import type { StepWriter } from './step-writer.ts';

/** Emits what becomes of one row of the anchor's result; the position is worked out there, if anything needs it. */
export type EmitRow = (row: Expression, value: RowReader) => void;

export type AnchorEmitter = (writer: StepWriter, node: Node, space: RowSpace, emitRow: EmitRow) => void;
