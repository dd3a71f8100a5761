/** Debian's PyTorch, in float and quantized in FX graph mode. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Contestant } from '../contest.ts';
import type { BenchModel } from '../models.ts';
import type { Isa } from '../isa.ts';
import { Unavailable } from '../unavailable.ts';
import { benchFolder } from '../workplace.ts';

/** Debian's own interpreter: another one on the path does not see Debian's packages. */
const python = '/usr/bin/python3';

export function torch(
  { networkPath }: BenchModel,
  form: 'float' | 'int8',
  threads: number,
  isa: Isa,
): Contestant {
  return {
    name: form === 'float' ? 'torch-fp32' : 'torch-int8',
    title: `PyTorch ${form === 'float' ? 'fp32' : 'int8'}`,
    prepare: async () => {
      if (!existsSync(python)) throw new Unavailable(`there is no ${python}`);
      return {
        program: python,
        args: [join(benchFolder, 'peers/torch-session.py'), networkPath, form, String(threads)],
        env: {
          OMP_NUM_THREADS: String(threads),
          ...(isa === 'avx2' ? { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2' } : {}),
          ...(isa === 'avx512vnni' ? { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_VNNI' } : {}),
        },
      };
    },
  };
}
