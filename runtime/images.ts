/** The module of a WGSL artifact, `images.js`, that `model.js` loads where a model reads images: from pixels of any size to its input. */
export { ImageInput } from './webgpu/image-input.ts';
