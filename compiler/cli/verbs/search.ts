/** `qc search`: announced, not built. It says so rather than being unknown. */
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import type { Terminal } from '../terminal.ts';

export function declareSearch(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'search <MODEL>',
      summary: 'The Pareto front of bits by layer (not built yet).',
      examples: [['search resnet18.onnx --calib photos -o front.json', 'will be']],
    })
    .option('--calib <path>', 'what to measure on')
    .option('-o, --out <file>', 'the front')
    .allowUnknownOption()
    .action(host.action(search));
}

async function search(_terminal: Terminal, _options: CommonOptions, _model: string): Promise<Outcome> {
  return fail('cli/not-built', 'qc search is not built yet', {
    help: 'choose bits by hand: --bits, --precision or --layer-bits, and compare with qc cost and qc eval --against',
  });
}
