/**
 * Registers the gradients of TensorFlow.js's own operations. `tfjs-core` has them but no entry point that Node can load; importing
 * `tfjs-layers` is the supported way to get them. Nothing else of it is used.
 */
import '@tensorflow/tfjs-layers';
