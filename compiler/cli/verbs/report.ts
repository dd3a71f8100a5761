/** `qc report`: what quantization did to a compiled model, layer by layer, as the compilation measured it: the worst first. */
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import type { LayerHealth } from '../../../runtime/manifest.ts';
import { costOf } from '../../cost.ts';
import { layerBitsOf } from '../../layer-bits.ts';
import { costText } from '../cost-text.ts';
import { healthColumns, healthFacts, shareText, weakestFirst } from '../health-text.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { loadModel } from '../model.ts';
import { bytesText } from '../../printable.ts';
import { facts, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

/** Activations that the text lists. */
const mostActivations = 10;

export function declareReport(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'report <DIR>',
    summary:
      'How near to float each layer of an artifact is: SQNR, clipped values, dead channels, the worst first.',
    examples: [
      ['report build/', 'where bits hurt, before choosing --layer-bits'],
      ['report build/ --format json', 'the same for a script, with every stored activation'],
    ],
  });
  command
    .addHelpText(
      'after',
      `
Columns:
  SQNR      of what the layer makes, before activation functions and sums, against the float model, with all errors before it: signal to noise in decibels
  clipped   share of the values it reads that are at the end of their range
  at limit  share of its weights at the largest integer of either sign
  dead      output channels that never change; "new": they do in float`,
    )
    .action(host.action(report));
}

async function report(terminal: Terminal, _options: CommonOptions, path: string): Promise<Outcome> {
  const model = await loadModel(path);
  if (model.kind !== 'artifact') {
    fail('cli/model-kind', `${JSON.stringify(path)} is not an artifact: nothing was measured on it yet`, {
      help: 'compile it first, then qc report on the folder; qc inspect shows what is in a model',
    });
  }
  const { manifest } = model.artifact;
  const { health, calibration, layers: bits, target, warnings } = manifest;
  if (health === undefined || health === null) {
    fail('cli/no-health', `${JSON.stringify(path)} was not compared with a float model`, {
      help: 'compile a float model: one that arrives quantized keeps its own bits, and qc eval --against compares it with another',
    });
  }
  const cost = costOf(layerBitsOf(await model.artifact.program()));
  const layers = [...health.layers].sort(weakestFirst);
  const activations = [...health.activations].sort((a, b) => b.clipped - a.clipped);
  const precision = new Map(bits.map(({ name, weight_bits: w, activation_bits: a }) => [name, `${w}/${a}`]));
  return {
    json: {
      target,
      calibration,
      samples: health.samples,
      agreement: health.agreement,
      sqnr_db: health.sqnr_db,
      layers: layers.map((layer) => ({ ...bits.find(({ name }) => name === layer.name), ...layer })),
      activations,
      weight_bytes: manifest.weight_bytes,
      cost,
      pipeline: manifest.pipeline,
      warnings,
    },
    text: `${facts([
      ['target', target],
      ['weights', bytesText(manifest.weight_bytes)],
      ['cost', costText(cost)],
      calibration === null
        ? undefined
        : [
            'calibration',
            `${calibration.source}, ${calibration.method}${calibration.generated ? ': drawn, so this tells little' : ''}`,
          ],
      ...healthFacts(health, manifest.pipeline),
      ...warnings.map((warning) => ['warning', warning] as const),
    ])}\n${table(
      layers,
      [
        { title: 'layer', cell: ({ name }) => name },
        { title: 'W/A bits', cell: ({ name }) => precision.get(name) ?? 'float' },
        ...healthColumns<LayerHealth>(health, ({ name }) => name),
        {
          title: 'at limit',
          cell: ({ weights_at_limit: share }) => (share === null ? '' : shareText(share)),
          align: 'right',
        },
      ],
      terminal.colours,
    )}\n${table(
      activations.slice(0, mostActivations),
      [
        { title: 'most clipped', cell: ({ name }) => name },
        { title: 'stored', cell: ({ storage }) => storage },
        { title: 'clipped', cell: ({ clipped }) => shareText(clipped), align: 'right' },
        { title: 'read by', cell: ({ read_by: readers }) => readers.join(', ') },
      ],
      terminal.colours,
    )}`,
  };
}
