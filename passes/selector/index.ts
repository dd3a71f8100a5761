/** Layer selectors: `first,last=w8a8; layer3.*=w4a4; op:conv2d & kernel:1x1=w4a8; *=w4a4`. */
export { matchGlob } from './glob.ts';
export { matchSelector, precisionFor } from './match.ts';
export { formatPrecision, parseLayerRules, parseLayerSelector, parsePrecision } from './parse.ts';
export type {
  LayerCondition,
  LayerFacts,
  LayerRule,
  LayerSelector,
  Precision,
  RulePrecision,
} from './selector.ts';
