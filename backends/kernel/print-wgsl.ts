/**
 * Prints grid kernels as a WGSL module: bindings in parameter order in group 0 (scalars share a uniform after the
 * buffers), constant tables, workgroup arrays, functions, one `@compute` entry point of the kernel's name. Overrides are what the caller
 * names.
 *
 * A builtin of a language feature that `features` lacks is expanded, so the same kernel serves implementations with and without
 * `packed_4x8_integer_dot_product`, to the same bits.
 */
import { packedFeature } from './builtins/packed.ts';
import { floatText } from './float-text.ts';
import { KernelError } from './kernel-error.ts';
import { Names } from './names.ts';
import { binaryText, parenthesized, primary, type Text } from './precedence.ts';
import { BodyPrinter, type Dialect } from './print-body.ts';
import { Source, wrapped } from './source.ts';
import { expansionOf, survey } from './survey.ts';
import type {
  Builtin,
  GridKernel,
  InvocationIdName,
  KernelArray,
  KernelFunction,
  Literal,
  Spelling,
  Variable,
} from './tree.ts';
import { type Element, loadedType, type Type, typeRows } from './types.ts';

export interface WgslOptions {
  /** WGSL language features the device has; all that builtins know of by default. */
  readonly features?: ReadonlySet<string>;
  /** Literals that are printed as constants of the pipeline, by the constant's name. */
  readonly overrides?: ReadonlyMap<Literal, string>;
  /** Kernels whose workgroup size is three constants of the pipeline, by these names. */
  readonly workgroupSizes?: ReadonlyMap<GridKernel, readonly string[]>;
}

function spelled(type: Type | Element): string {
  const name = typeRows[type].wgsl;
  if (name === undefined) throw new KernelError(`WGSL has no ${type}`);
  return name;
}

function literalText({ type, value }: Literal): Text {
  spelled(type);
  if (type === 'u32') return primary(`${String(value)}u`);
  const text = type === 'f32' ? floatText(Number(value)) : String(value);
  return { text, tightness: text.startsWith('-') ? 'unary' : 'primary' };
}

const quadFunction = (quad: number): string => `subgroup_quad_${String(quad)}`;

/** Functions that gather what four invocations of a subgroup have. (The lane must be a constant of the language.) */
const quadFunctions = (quads: number): readonly (readonly string[])[] =>
  Array.from({ length: quads }, (_, quad) => {
    const lanes = [0, 1, 2, 3].map((lane) => `subgroupBroadcast(value, ${String(4 * quad + lane)}u)`);
    return [`fn ${quadFunction(quad)}(value: u32) -> vec4u {`, `  return vec4u(${lanes.join(', ')});`, '}'];
  });

const idNames: Readonly<Record<InvocationIdName, string>> = {
  global_invocation_id: 'global_id',
  local_invocation_id: 'local_id',
  workgroup_id: 'workgroup_id',
  num_workgroups: 'num_workgroups',
  subgroup_invocation_id: 'subgroup_lane',
};

/** What needs a device with the feature of this name. */
const subgroups = 'subgroups';

const arrayType = (element: Element, length: number | undefined): string =>
  length === undefined ? `array<${spelled(element)}>` : `array<${spelled(element)}, ${String(length)}>`;

/** The operands of a call. `f(a < b, c > d)` would read as the template `a<b, c>`: such a comparison gets parentheses. */
const operandsText = (operands: readonly Text[]): string =>
  operands
    .map(({ text, tightness }, at) => {
      const closes = operands.slice(at + 1).some((later) => later.text.includes('>'));
      return tightness !== 'primary' && closes && text.includes(' < ') ? parenthesized(text) : text;
    })
    .join(', ');

const callText = (name: string, ...operands: readonly Text[]): Text =>
  primary(`${name}(${operandsText(operands)})`);

const dialectOf = (
  spell: (builtin: Builtin) => Spelling | undefined,
  overrides: WgslOptions['overrides'],
): Dialect => ({
  declare: (name, variable) => {
    spelled(variable.type);
    return `${variable.mutable ? 'var' : 'let'} ${name}`;
  },
  counter: (name) => `var ${name}`,
  declareArray: (name, array) => `var ${name}: ${arrayType(array.element, array.length)}`,
  literal: (node) => {
    const override = overrides?.get(node);
    return override === undefined ? literalText(node) : primary(override);
  },
  cast: (node, operand) => callText(spelled(node.type), operand),
  bitcast: (node, operand) => callText(`bitcast<${spelled(node.type)}>`, operand),
  select: (condition, whenTrue, whenFalse) => callText('select', whenFalse, whenTrue, condition),
  shift: (node, left, right) =>
    binaryText(node.operator, left, node.right.type === 'u32' ? right : shiftAmount(right)),
  compose: (node, lanes) => callText(spelled(node.type), ...lanes),
  id: (node) =>
    primary(node.id === 'subgroup_invocation_id' ? idNames[node.id] : `${idNames[node.id]}.${node.axis}`),
  stored: (_array, _value, text) => text.text,
  address: (array) => {
    throw new KernelError(`WGSL takes no address of ${array}`);
  },
  operands: operandsText,
  spell: (builtin) => spell(builtin)?.name,
  barrier: 'workgroupBarrier();',
  broadcast: (value, quad) => callText(quadFunction(quad), value).text,
});

/** WGSL shifts by u32 only. */
const shiftAmount = (amount: Text): Text =>
  /^\d+$/.test(amount.text) ? primary(`${amount.text}u`) : callText('u32', amount);

function tableLines(table: KernelArray, name: string): readonly string[] {
  const source = new Source();
  const type = typeRows[table.element].lane!;
  const items = (table.values ?? []).map((value) => literalText({ kind: 'literal', type, value }).text);
  source.open(`const ${name} = ${arrayType(loadedType(table.element) as Element, table.length)}(`);
  source.lines(wrapped(items));
  source.close(');');
  return source.toLines();
}

/**
 * The declarations of a kernel's parameters, under the names `texts` has for them. Buffers take bindings 0, 1, ... in order, the uniform of
 * scalars the next.
 */
function bindingLines(
  parameters: GridKernel['parameters'],
  texts: ReadonlyMap<unknown, string>,
): readonly string[] {
  const source = new Source();
  const scalars = parameters.filter((parameter) => parameter.kind === 'variable');
  const buffers = parameters.filter((parameter) => parameter.kind === 'array');
  buffers.forEach((buffer, binding) => {
    const place = `@group(0) @binding(${String(binding)}) var<storage, ${buffer.access}>`;
    source.line(`${place} ${texts.get(buffer) ?? ''}: ${arrayType(buffer.element, buffer.length)};`);
  });
  if (scalars.length > 0) {
    source.line('');
    source.open('struct Scalars {');
    source.lines(scalars.map(({ name, type }) => `${name}: ${spelled(type)},`));
    source.close();
    source.line(`@group(0) @binding(${String(buffers.length)}) var<uniform> scalars: Scalars;`);
  }
  return source.toLines();
}

const joined = (sections: readonly (readonly string[])[]): string =>
  `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;

/** A WGSL module of several entry points. */
export interface WgslUnit {
  readonly code: string;
  /**
   * Functions that stand in for the builtins of language features that the module requires, under the builtins' own names: on an
   * implementation without a feature, drop its `requires` line and append these.
   */
  readonly fallbacks: string;
}

/** Prints a grid kernel as a complete WGSL module. Throws `KernelError` for what WGSL cannot express. */
export function printWgsl(kernel: GridKernel, options: WgslOptions = {}): string {
  return printWgslUnit([kernel], options).code;
}

/**
 * Prints grid kernels as one WGSL module: what they call stands once, what they bind stands before each, under a name of its own. Scalar
 * parameters share one uniform, so at most one kernel of a unit may have any.
 */
export function printWgslUnit(kernels: readonly GridKernel[], options: WgslOptions = {}): WgslUnit {
  const features = options.features ?? new Set([packedFeature]);
  const spell = ({ wgsl }: Builtin): Spelling | undefined =>
    wgsl !== undefined && (wgsl.feature === undefined || features.has(wgsl.feature)) ? wgsl : undefined;
  const dialect = dialectOf(spell, options.overrides);
  const names = new Names();
  const constants = [options.overrides?.values() ?? [], ...(options.workgroupSizes?.values() ?? [])];
  for (const name of new Set(constants.flatMap((some) => [...some]))) names.claim(name);
  const texts = new Map<Variable | KernelArray | KernelFunction, string>();
  // Functions are pure: their locals may be called as a buffer is, but not as a table or function is.
  const namesFunctionsSee = new Names();
  const freshForAll = (base: string): string => namesFunctionsSee.claim(names.fresh(base));
  kernels.forEach((kernel) => names.claim(kernel.name));
  if (kernels.filter(({ parameters }) => parameters.some(({ kind }) => kind === 'variable')).length > 1) {
    throw new KernelError('two kernels of one WGSL module have scalar parameters');
  }

  const define = (
    opening: (source: Source) => void,
    scope: Names,
    inside: typeof texts,
    body: GridKernel['body'],
  ): readonly string[] => {
    const source = new Source();
    opening(source);
    new BodyPrinter(dialect, source, { names: new Names(scope), texts: inside }).body(body);
    source.close();
    return source.toLines();
  };

  const functionLines = (callee: KernelFunction, name: string): readonly string[] => {
    const scope = new Names(namesFunctionsSee);
    const inside = new Map(texts);
    const parameters = callee.parameters.map((parameter) => {
      const text = scope.fresh(parameter.name);
      inside.set(parameter, text);
      return `${text}: ${spelled(parameter.type)}`;
    });
    return define(
      (source) => {
        callee.doc.forEach((line) => {
          source.comment(line);
        });
        source.open(`fn ${name}(${parameters.join(', ')}) -> ${spelled(callee.result)} {`);
      },
      scope,
      inside,
      callee.body,
    );
  };

  let subgroupQuads = 0;
  const required = new Set<string>();
  const printedFunctions = new Map<string, string>();
  const support: (readonly string[])[] = [];
  const fallbacks = new Map<string, readonly string[]>();
  const entries: (readonly string[])[] = [];
  for (const kernel of kernels) {
    for (const parameter of kernel.parameters) {
      texts.set(
        parameter,
        parameter.kind === 'variable' ? `scalars.${parameter.name}` : names.fresh(parameter.name),
      );
    }
    const used = survey(kernel.body, 'WGSL', () => spell);
    subgroupQuads = Math.max(subgroupQuads, used.subgroupQuads);
    for (const table of used.tables) {
      if (texts.has(table)) continue;
      const name = freshForAll(table.name);
      texts.set(table, name);
      support.push(tableLines(table, name));
    }
    for (const callee of used.functions) {
      if (texts.has(callee)) continue;
      const asWritten = functionLines(callee, callee.name).join('\n');
      const printed = printedFunctions.get(asWritten);
      const name = printed ?? freshForAll(callee.name);
      texts.set(callee, name);
      printedFunctions.set(asWritten, name);
      if (printed === undefined) support.push(functionLines(callee, name));
    }
    for (const builtin of used.builtins) {
      const spelling = spell(builtin);
      if (spelling?.feature === undefined || fallbacks.has(spelling.name)) continue;
      required.add(spelling.feature);
      fallbacks.set(spelling.name, functionLines(expansionOf(builtin, 'WGSL'), spelling.name));
    }
    const shared = Array.from(used.workgroupArrays, (array) => {
      const name = names.fresh(array.name);
      texts.set(array, name);
      return `var<workgroup> ${name}: ${arrayType(array.element, array.length)};`;
    });
    const entry = define(
      (source) => {
        kernel.doc.forEach((line) => {
          source.comment(line);
        });
        const ids = Array.from(used.ids).map(
          (id) => `@builtin(${id}) ${idNames[id]}: ${id === 'subgroup_invocation_id' ? 'u32' : 'vec3u'}`,
        );
        const size = options.workgroupSizes?.get(kernel) ?? kernel.workgroupSize;
        source.line(`@compute @workgroup_size${parenthesized(size.join(', '))}`);
        source.open(`fn ${kernel.name}(${ids.join(', ')}) {`);
      },
      names,
      texts,
      kernel.body,
    );
    entries.push(bindingLines(kernel.parameters, texts), shared, entry);
  }
  const directives = [
    ...(subgroupQuads > 0 ? [`enable ${subgroups};`] : []),
    ...Array.from(required, (feature) => `requires ${feature};`),
  ];
  const overrides = new Map(
    Array.from(options.overrides ?? [], ([{ type }, name]) => [name, `override ${name}: ${spelled(type)};`]),
  );
  const sizes = Array.from(
    new Set(Array.from(options.workgroupSizes?.values() ?? []).flat()),
    (name) => `override ${name}: u32;`,
  );
  return {
    code: joined([
      directives,
      [...overrides.values(), ...sizes],
      ...quadFunctions(subgroupQuads),
      ...support,
      ...entries,
    ]),
    fallbacks: joined([...fallbacks.values()]),
  };
}
