/**
 * From a pipeline as written to passes with complete, checked options. Everything that is wrong is found before anything runs, and
 * told at once.
 */
import {
  type AttributeKind,
  type Attributes,
  type AttributeValue,
  type Diagnostic,
  matchesKind,
  QcError,
} from '../ir/index.ts';
import { nearestName } from './nearest-name.ts';
import type { Pass } from './pass.ts';
import type { PassRegistry } from './registry.ts';
import type { Pipeline, PipelineStep } from './pipeline/pipeline.ts';

type PassStep = Extract<PipelineStep, { kind: 'pass' }>;

export interface ResolvedPass {
  readonly kind: 'pass';
  readonly pass: Pass;
  /** With every default filled in. */
  readonly options: Attributes;
  readonly step: PassStep;
}

export interface ResolvedRepeat {
  readonly kind: 'repeat';
  readonly body: ResolvedPipeline;
}

export type ResolvedPipeline = readonly (ResolvedPass | ResolvedRepeat)[];

/** Throws a QcError that lists every unknown pass, unknown or missing option and option of the wrong kind. */
export function resolvePipeline(pipeline: Pipeline, registry: PassRegistry): ResolvedPipeline {
  const found: Diagnostic[] = [];
  const resolved = resolveSteps(pipeline, registry, found);
  if (found.length > 0) throw new QcError(found);
  return resolved;
}

function resolveSteps(pipeline: Pipeline, registry: PassRegistry, found: Diagnostic[]): ResolvedPipeline {
  return pipeline.flatMap((step): ResolvedPipeline => {
    if (step.kind === 'repeat') return [{ kind: 'repeat', body: resolveSteps(step.body, registry, found) }];
    const pass = registry.get(step.name);
    if (pass !== undefined) return [{ kind: 'pass', pass, options: resolveOptions(pass, step, found), step }];
    const nearest = nearestName(step.name, registry.keys());
    found.push({
      ...problem('unknown-pass', `there is no pass named ${step.name}`),
      help:
        nearest === undefined
          ? `the passes are ${[...registry.keys()].sort().join(', ')}`
          : `did you mean ${nearest}?`,
    });
    return [];
  });
}

function resolveOptions(pass: Pass, step: PassStep, found: Diagnostic[]): Attributes {
  const options: Record<string, AttributeValue> = {};
  const names = Object.keys(pass.options);
  for (const name of Object.keys(step.options)) {
    if (names.includes(name)) continue;
    const nearest = nearestName(name, names);
    found.push({
      ...problem('unknown-option', `${pass.name} has no option named ${name}`),
      help:
        nearest !== undefined
          ? `did you mean ${nearest}?`
          : names.length === 0
            ? `${pass.name} takes no options`
            : `its options are ${names.join(', ')}`,
    });
  }
  for (const [name, spec] of Object.entries(pass.options)) {
    const given = step.options[name] ?? spec.default;
    const value = given === undefined ? undefined : fitted(given, spec.kind);
    if (value === undefined) {
      if (spec.optional !== true)
        found.push(problem('missing-option', `${pass.name} needs its option ${name}: ${spec.summary}`));
    } else if (!matchesKind(value, spec.kind)) {
      const shown = JSON.stringify(given);
      found.push(problem('option-kind', `${pass.name}: ${name} is ${shown}, expected ${phrases[spec.kind]}`));
    } else {
      options[name] = value;
    }
  }
  return options;
}

/** Decimals as written become the nearest float32, which is what a float option is. */
function fitted(value: AttributeValue, kind: AttributeKind): AttributeValue {
  if (kind === 'float' && typeof value === 'number') return Math.fround(value);
  if (kind === 'floats' && Array.isArray(value)) return value.map((item) => Math.fround(item as number));
  return value;
}

const phrases: Readonly<Record<AttributeKind, string>> = {
  int: 'an integer',
  float: 'a number',
  bool: 'true or false',
  string: 'a word or a quoted string',
  ints: 'a list of integers',
  floats: 'a list of numbers',
};

function problem(code: string, message: string): Diagnostic {
  return { code: `pipeline/${code}`, severity: 'error', message };
}
