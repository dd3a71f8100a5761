/** `qc ops`: the table of ops, which the text form, the verifier and the interpreter derive from. */
import type { Command } from 'commander';
import { ops as opTable } from '../../../ir/index.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { schemaJson, schemaText } from '../schema-text.ts';
import type { Terminal } from '../terminal.ts';

export function declareOps(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'ops',
      summary: 'Every op of the program with its sentence, operands and attributes.',
      examples: [
        ['ops', 'to read'],
        ['ops --format json', 'for a script'],
      ],
    })
    .action(host.action(ops));
}

async function ops(terminal: Terminal, _options: CommonOptions): Promise<Outcome> {
  const { bold, dim } = terminal.colours;
  const list = Object.values(opTable);
  return {
    json: {
      ops: list.map(({ name, summary, levels, operands, attributes }) => ({
        name,
        summary,
        levels,
        operands,
        attributes: schemaJson(attributes),
      })),
    },
    text: list
      .map(({ name, summary, levels, operands, attributes }) => {
        const taken = operands.map(
          (operand) =>
            `${operand.name}${operand.optional === true ? '?' : ''}${operand.variadic === true ? '...' : ''}`,
        );
        return `${bold(name)}(${taken.join(', ')})  ${dim(levels.join(', '))}\n  ${summary}\n${schemaText(attributes)}`;
      })
      .join('\n'),
  };
}
