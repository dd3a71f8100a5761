/** `qc passes`: the table of passes, which pipeline strings are written from. */
import type { Command } from 'commander';
import { passes as passTable } from '../../../passes/index.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { schemaJson, schemaText } from '../schema-text.ts';
import type { Terminal } from '../terminal.ts';

export function declarePasses(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'passes',
      summary: 'Every pass with its sentence and its options.',
      examples: [
        ['passes', 'to read'],
        ['passes --format json', 'for a script'],
      ],
    })
    .action(host.action(passes));
}

async function passes(terminal: Terminal, _options: CommonOptions): Promise<Outcome> {
  const { bold, dim } = terminal.colours;
  return {
    json: {
      passes: passTable.map(({ name, summary, options, requires, ensures }) => ({
        name,
        summary,
        requires: requires ?? null,
        ensures: ensures ?? null,
        options: schemaJson(options),
      })),
    },
    text: passTable
      .map(({ name, summary, options, requires, ensures }) => {
        const levels =
          requires === undefined
            ? 'any level'
            : requires === ensures
              ? requires
              : `${requires} -> ${ensures ?? requires}`;
        return `${bold(name)}  ${dim(levels)}\n  ${summary}\n${schemaText(options)}`;
      })
      .join('\n'),
  };
}
