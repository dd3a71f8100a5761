/** What an emitted training project is made of; runs in Node and in a page. */
export * from './array-images.ts';
export * from './checkpoint.ts';
export * from './curves.ts';
export * from './image-set.ts';
export * from './layers.ts';
export {
  add,
  affine,
  averagePool,
  clip,
  concat,
  div,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  maxPool,
  mean,
  mul,
  pad,
  relu,
  reshape,
  sigmoid,
  slice,
  softmax,
  sub,
  transpose,
} from './operations.ts';
export * from './recipe.ts';
export * from './state.ts';
export * from './trainer.ts';
