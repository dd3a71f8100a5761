/** The C backend. */
export { c, type CManifest } from './emit.ts';
export { publicNames, type PublicNames } from './public-names.ts';
