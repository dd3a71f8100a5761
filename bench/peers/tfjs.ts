/** TensorFlow.js on WebGPU in Node, in float: it has no other form. */
import { join } from 'node:path';
import type { Contestant } from '../contest.ts';
import type { BenchModel } from '../models.ts';
import { benchFolder } from '../workplace.ts';
import { requirePackage } from './require-package.ts';

export function tfjs({ networkPath }: BenchModel, env: Readonly<Record<string, string>>): Contestant {
  return {
    name: 'tfjs-fp32',
    title: 'TensorFlow.js WebGPU fp32',
    prepare: async () => {
      requirePackage('@tensorflow/tfjs-backend-webgpu');
      return {
        program: process.execPath,
        args: [join(benchFolder, 'peers/tfjs-session.js'), networkPath],
        env,
      };
    },
  };
}
