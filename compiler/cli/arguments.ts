/** Values of options: each reader refuses what it cannot use, in words that say what it can. */
import { InvalidArgumentError } from 'commander';

/** A whole number of at least `least`. */
export function integerArgument(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`expected a whole number of at least ${least}`);
    }
    return value;
  };
}

/** A number of at least `least`. */
export function numberArgument(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least) {
      throw new InvalidArgumentError(`expected a number of at least ${least}`);
    }
    return value;
  };
}

/** `NAME=NUMBER`, collected over repetitions. */
export function dimensionArgument(
  text: string,
  before: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const [, name, extent] = /^(.+)=(\d{1,9})$/s.exec(text) ?? [];
  if (name === undefined || extent === undefined || Number(extent) < 1) {
    throw new InvalidArgumentError('expected NAME=NUMBER or INPUT:AXIS=NUMBER, such as batch=1');
  }
  return { ...before, [name]: Number(extent) };
}

/** Any text, collected over repetitions. */
export function repeatedArgument(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** A number from 0 to 100. */
export function percentArgument(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value > 100) {
    throw new InvalidArgumentError('expected a number from 0 to 100');
  }
  return value;
}
