/**
 * One text for kernels that differ in numbers alone. Layers of different shapes have kernels of one form; each number in which they differ becomes a
 * constant that is given when a pipeline is made (`override`), so an artifact holds the form once, and drivers compile as if the numbers stood there.
 */
import { type GridKernel, type Literal, literalsOf, printWgsl } from '../kernel/index.ts';

/** A kernel as its module holds it. */
export interface SharedKernel {
  /** The kernel whose text it is an instance of. */
  readonly form: GridKernel;
  /** Names of the numbers that its form leaves open. */
  readonly constants: readonly string[];
  /** Those numbers, in that order. */
  readonly values: readonly number[];
}

export interface SharedText {
  /** What is printed: one kernel of every form. */
  readonly kernels: readonly GridKernel[];
  /** Literals of those that print as constants. */
  readonly overrides: ReadonlyMap<Literal, string>;
  /** The names of the constants that workgroup sizes are. */
  readonly workgroupSizes: ReadonlyMap<GridKernel, readonly string[]>;
  readonly of: ReadonlyMap<GridKernel, SharedKernel>;
}

const sizeNames = ['width', 'height', 'depth'] as const;

const numbersOf = ({ body }: GridKernel): readonly Literal[] =>
  literalsOf(body).filter(({ type }) => type === 'i32' || type === 'u32');

/** The text of a kernel without its numbers and its name: equal texts are kernels of one form. */
function formOf(kernel: GridKernel): string {
  const hidden = new Map(numbersOf(kernel).map((literal) => [literal, `any_${literal.type}`]));
  const text = printWgsl({ ...kernel, name: 'kernel' }, { overrides: hidden });
  return text.replace(/^override .*$/gm, '').replace(/@workgroup_size\(.*\)/, '');
}

/** Finds the forms among kernels of different names. */
export function shareText(kernels: readonly GridKernel[]): SharedText {
  const forms = new Map<string, GridKernel[]>();
  for (const kernel of kernels) {
    const form = formOf(kernel);
    forms.set(form, [...(forms.get(form) ?? []), kernel]);
  }
  const overrides = new Map<Literal, string>();
  const sized = new Map<GridKernel, readonly string[]>();
  const of = new Map<GridKernel, SharedKernel>();
  for (const members of forms.values()) {
    const [first] = members;
    const literals = members.map(numbersOf);
    const names = new Map<string, string>();
    const constants: string[] = [];
    const numbers = members.map((): number[] => []);
    literals[0]!.forEach((literal, position) => {
      const values = literals.map((of) => Number(of[position]!.value));
      if (values.every((value) => value === values[0])) return;
      const key = `${literal.type} ${values.join(' ')}`;
      let name = names.get(key);
      if (name === undefined) {
        name = `${literal.type === 'u32' ? 'm' : 'n'}${names.size}`;
        names.set(key, name);
        constants.push(name);
        for (const [i, value] of values.entries()) numbers[i]!.push(value);
      }
      overrides.set(literal, name);
    });
    const sizes = members.map(({ workgroupSize }) => workgroupSize);
    if (sizes.some((size) => size.join() !== sizes[0]!.join())) {
      sized.set(first!, sizeNames);
      constants.push(...sizeNames);
      for (const [i, size] of sizes.entries()) numbers[i]!.push(...size);
    }
    for (const [i, member] of members.entries())
      of.set(member, { form: first!, constants, values: numbers[i]! });
  }
  return { kernels: [...forms.values()].map(([first]) => first!), overrides, workgroupSizes: sized, of };
}
