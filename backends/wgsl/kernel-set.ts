/** The different kernels of a program. Two are one when they print the same but for their name. */
import { type GridKernel, printWgsl } from '../kernel/index.ts';

export class KernelSet {
  readonly #byText = new Map<string, GridKernel>();
  readonly #names: Set<string>;

  /** `names` are taken; what is added joins them. */
  constructor(names: Set<string>) {
    this.#names = names;
  }

  /** The kernel that computes what `kernel` does, under a name no other has. */
  add(kernel: GridKernel): GridKernel {
    const text = printWgsl({ ...kernel, name: 'kernel' });
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    let name = kernel.name;
    for (let count = 2; this.#names.has(name); count++) name = `${kernel.name}_${count}`;
    this.#names.add(name);
    const named = { ...kernel, name };
    this.#byText.set(text, named);
    return named;
  }

  get kernels(): readonly GridKernel[] {
    return [...this.#byText.values()];
  }
}
