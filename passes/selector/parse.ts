/** From the text of layer rules to rules: what each word means, with an error that names the column of the word that means nothing. */
import type { IToken } from 'chevrotain';
import { fail, isOpName, QcError } from '../../ir/index.ts';
import { diagnosticAt, excerpt, Source, spanOf, syntaxDiagnostics } from '../../ir/text/index.ts';
import { globProblem } from './glob.ts';
import {
  type ConditionSyntax,
  type RuleSyntax,
  selectorLexer,
  selectorParser,
  StringLiteral,
} from './grammar.ts';
import type { LayerCondition, LayerRule, LayerSelector, Precision, RulePrecision } from './selector.ts';

/** Reads `first,last=w8a8; *=w4a4`. `file` is what errors call the string. Throws a QcError that names the column. */
export function parseLayerRules(text: string, file = 'layer-bits'): LayerRule[] {
  return parse(
    text,
    file,
    () => selectorParser.rules(),
    (rules: RuleSyntax[], reader) =>
      rules.map(({ first, selector, precision }) => ({
        text: text.slice(first.startOffset, precision.startOffset + precision.image.length),
        selector: reader.selector(selector),
        precision: reader.precision(precision),
      })),
  );
}

/** Reads a selector alone: `op:conv2d & kernel:1x1, last`. */
export function parseLayerSelector(text: string, file = 'selector'): LayerSelector {
  return parse(
    text,
    file,
    () => selectorParser.selector(),
    (selector: ConditionSyntax[][], reader) => reader.selector(selector),
  );
}

/** Reads `w4a8`: weights of 4 bits, activations of 8. Throws a QcError when it is no precision. */
export function parsePrecision(text: string): Precision {
  return precisionOf(text) ?? fail('selector/precision', precisionProblem(text));
}

function precisionOf(text: string): Precision | undefined {
  const found = /^w([248])a([248])$/.exec(text);
  if (found === null) return undefined;
  return {
    weightBits: Number(found[1]) as Precision['weightBits'],
    activationBits: Number(found[2]) as Precision['activationBits'],
  };
}

function precisionProblem(text: string): string {
  return `'${excerpt(text)}' is not a precision such as w4a8: weights and activations of 2, 4 or 8 bits`;
}

/** `w4a8`, `float`. */
export function formatPrecision(precision: RulePrecision): string {
  return precision === 'float' ? precision : `w${precision.weightBits}a${precision.activationBits}`;
}

function parse<S, T>(text: string, file: string, rule: () => S, read: (syntax: S, reader: Reader) => T): T {
  const source = new Source(text, file);
  const { tokens, errors } = selectorLexer.tokenize(text);
  selectorParser.input = tokens;
  const syntax = rule();
  const found = syntaxDiagnostics(source, 'selector', errors, selectorParser.errors);
  if (found.length > 0) throw new QcError(found);
  return read(syntax, new Reader(source));
}

class Reader {
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  selector(syntax: readonly (readonly ConditionSyntax[])[]): LayerSelector {
    return syntax.map((all) =>
      all.map((part): LayerCondition => {
        const condition = this.#condition(part);
        return part.not ? { kind: 'not', condition } : condition;
      }),
    );
  }

  precision(token: IToken): RulePrecision {
    if (token.image === 'float') return 'float';
    return precisionOf(token.image) ?? this.#fail(token, 'precision', precisionProblem(token.image));
  }

  #condition({ head, value }: ConditionSyntax): LayerCondition {
    if (head.tokenType === StringLiteral) {
      return { kind: 'name', pattern: JSON.parse(head.image) as string, exact: true };
    }
    const word = head.image;
    if (value === undefined) {
      if (word === 'first' || word === 'last' || word === 'depthwise') return { kind: word };
      return { kind: 'name', pattern: this.#glob(head), exact: false };
    }
    switch (word) {
      case 'op': {
        const pattern = this.#glob(value);
        if (!/[*?[]/.test(pattern) && !isOpName(pattern)) {
          this.#fail(value, 'unknown-op', `there is no op ${excerpt(pattern)}`);
        }
        return { kind: 'op', pattern };
      }
      case 'kernel': {
        const found = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(value.image);
        if (found === null) {
          return this.#fail(value, 'kernel', `'${excerpt(value.image)}' is not a kernel such as 3x3`);
        }
        return { kind: 'kernel', height: Number(found[1]), width: Number(found[2]) };
      }
      case 'in':
      case 'out':
      case 'groups':
        if (!/^[1-9]\d{0,8}$/.test(value.image)) {
          this.#fail(
            value,
            'number',
            `'${excerpt(value.image)}' is not a number of ${word === 'groups' ? 'groups' : 'channels'}`,
          );
        }
        return { kind: word, value: Number(value.image) };
      default:
        return this.#fail(
          head,
          'unknown-property',
          `'${excerpt(word)}:' is none of op:, kernel:, in:, out:, groups:`,
        );
    }
  }

  #glob(token: IToken): string {
    const problem = globProblem(token.image);
    if (problem !== undefined) this.#fail(token, 'pattern', excerpt(problem));
    return token.image;
  }

  #fail(token: IToken, code: string, message: string): never {
    throw new QcError(diagnosticAt(this.#source, spanOf(token, this.#source), `selector/${code}`, message));
  }
}
