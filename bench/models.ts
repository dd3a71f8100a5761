/**
 * The networks that are timed. Trained ones are taken from `../shared/data` where that exists; else, and for those that are not there, the
 * same architecture with drawn weights, on which time does not depend.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fail } from '../ir/index.ts';
import { loadModel, programOf } from '../compiler/cli/model.ts';
import { encodeModel } from '../compiler/onnx/encode.ts';
import { resnet, type ResNetOptions } from '../fixtures/models/resnet.ts';
import { projectRoot } from '../fixtures/house/source-files.ts';
import { type Network, networkOf } from './network.ts';
import { digest, frontSources, kept, sourcesDigest } from './workplace.ts';

interface Known {
  readonly title: string;
  readonly trained?: string;
  readonly drawn: ResNetOptions;
}

export const knownModels: Readonly<Record<string, Known>> = {
  resnet8: {
    title: 'ResNet-8 (CIFAR, 32x32)',
    trained: 'cifar10_resnet8_nchw_logits.onnx',
    drawn: {
      net: { block: 'basic', blocks: [1, 1, 1] },
      width: 0.25,
      image: 32,
      classes: 10,
      stem: 'cifar',
    },
  },
  resnet18: { title: 'ResNet-18 (224x224)', trained: 'imagenet_resnet18.onnx', drawn: { net: 18 } },
  resnet50: { title: 'ResNet-50 (224x224)', drawn: { net: 50 } },
};

export interface BenchModel {
  /** What results and pages call it. */
  readonly name: string;
  readonly title: string;
  /** An `.onnx` file. */
  readonly path: string;
  /** Of its content. */
  readonly digest: string;
  readonly network: Network;
  /** The same, as a JSON file. */
  readonly networkPath: string;
}

/** A known model by its name, or any `.onnx` file by its path. */
export async function findModel(asked: string): Promise<BenchModel> {
  const known = Object.hasOwn(knownModels, asked) ? knownModels[asked] : undefined;
  if (known === undefined) {
    if (!asked.endsWith('.onnx') || !existsSync(asked)) {
      fail('bench/model', `there is no model ${JSON.stringify(asked)}`, {
        help: `name one of ${Object.keys(knownModels).join(', ')}, or an .onnx file that exists`,
      });
    }
    const name = basename(asked, '.onnx');
    return withNetwork(name, name, asked);
  }
  const trained =
    known.trained === undefined ? undefined : join(projectRoot, '../shared/data/models', known.trained);
  const path =
    trained !== undefined && existsSync(trained)
      ? trained
      : await kept(`${asked}-${digest(JSON.stringify(known.drawn))}.onnx`, async (draft) =>
          writeFile(draft, encodeModel(resnet(known.drawn))),
        );
  return withNetwork(asked, known.title, path);
}

async function withNetwork(name: string, title: string, path: string): Promise<BenchModel> {
  const content = digest(await readFile(path));
  const networkPath = await kept(
    `network-${digest(content, sourcesDigest(frontSources))}.json`,
    async (draft) => {
      const network = await networkOf(await programOf(await loadModel(path)));
      await writeFile(draft, JSON.stringify(network));
    },
  );
  const network = JSON.parse(await readFile(networkPath, 'utf8')) as Network;
  return { name, title, path, digest: content, network, networkPath };
}
