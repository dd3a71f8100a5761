/**
 * How the tests run: TypeScript is stripped file by file (swc; `npm run typecheck` is what checks types) and executed as native ES
 * modules, so a test imports exactly what the build ships. Jest resolves `./x.ts` as written; nothing is mapped. Two workers: the
 * machine that runs the tests is assumed to be a small one.
 * Needs `NODE_OPTIONS=--experimental-vm-modules`, which `npm test` sets.
 *
 * Tests that compute on WebGPU run on two software drivers. Inside Jest `process.env` is a copy that native code never sees, so the
 * driver that is outside the loader's own folders must be named here, before the workers start.
 */
import { existsSync } from 'node:fs';

const swiftshader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(swiftshader)) process.env.VK_ADD_DRIVER_FILES ??= swiftshader;

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  moduleFileExtensions: ['ts', 'js', 'json', 'node'],
  maxWorkers: 2,
  testTimeout: 120_000,
};
