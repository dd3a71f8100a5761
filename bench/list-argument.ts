/** The value of an option that takes a comma list. */
import { InvalidArgumentError } from 'commander';

/** Each entry must be one of `known`, where that is given. */
export function listArgument(known?: readonly string[]): (text: string) => string[] {
  return (text) => {
    const entries = text.split(',').map((entry) => entry.trim());
    const unknown = entries.find((entry) => known !== undefined && !known.includes(entry));
    if (unknown !== undefined || entries.includes('')) {
      throw new InvalidArgumentError(`expected a comma list of ${known?.join(', ') ?? 'names'}`);
    }
    return entries;
  };
}
