/**
 * The canonical text of a pipeline, as manifests and reproducers carry it: no blanks, options in the order given, words bare where
 * they can be. Law: parsing what was printed gives the same pipeline.
 */
import { type AttributeValue, formatFloat } from '../../ir/index.ts';
import type { Pipeline, PipelineStep } from './pipeline.ts';

export function printPipeline(pipeline: Pipeline): string {
  return pipeline.map(printStep).join(',');
}

function printStep(step: PipelineStep): string {
  if (step.kind === 'repeat') return `repeat(${printPipeline(step.body)})`;
  const options = Object.entries(step.options).map(([key, value]) => `${key}=${printValue(value)}`);
  return options.length === 0 ? step.name : `${step.name}{${options.join(',')}}`;
}

function printValue(value: AttributeValue): string {
  if (typeof value === 'string') {
    const isWord = /^[A-Za-z_][A-Za-z_0-9]*(?:[-.][A-Za-z_0-9]+)*$/.test(value);
    return isWord && !['true', 'false', 'inf'].includes(value) ? value : JSON.stringify(value);
  }
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'number' ? printNumber(value) : `[${value.map(printNumber).join(',')}]`;
}

function printNumber(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : formatFloat(value);
}
