/**
 * Reading JSON that may come from anyone: each reader gives a value of the shape asked for, or hands a sentence on what is wrong to `broken`,
 * which throws an error of the document's own kind.
 */
export class JsonShape {
  readonly #broken: (problem: string) => never;

  constructor(broken: (problem: string) => never) {
    this.#broken = broken;
  }

  parse(text: string): Record<string, unknown> {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return this.#broken(`it is not JSON (${error instanceof Error ? error.message : 'bad syntax'})`);
    }
    return this.record(value, 'the document');
  }

  format(document: Record<string, unknown>, expected: string): void {
    if (document['format'] === expected) return;
    this.#broken(`its format is ${JSON.stringify(document['format'])}, expected ${JSON.stringify(expected)}`);
  }

  record(value: unknown, key: string): Record<string, unknown> {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : this.#broken(`${key} is no object`);
  }

  list(value: unknown, key: string): unknown[] {
    return Array.isArray(value) ? (value as unknown[]) : this.#broken(`${key} is no list`);
  }

  words(value: unknown, key: string): string {
    return typeof value === 'string' ? value : this.#broken(`${key} is no text`);
  }

  whole(value: unknown, key: string): number {
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.#broken(`${key} is no whole number`);
  }

  amount(value: unknown, key: string): number {
    return typeof value === 'number' && Number.isFinite(value) && value >= 0
      ? value
      : this.#broken(`${key} is no number of at least 0`);
  }
}
