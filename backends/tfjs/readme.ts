/** The page that goes with a project. */
import type { ProjectFacts } from './facts.ts';

export function readme({ name, image, recipe }: ProjectFacts): string {
  const { height, width, channels } = image;
  return `# ${name}, to be fine-tuned

Trains the model with fake quantization, in Node or in a browser tab, on the WASM backend of TensorFlow.js.

    npm install
    npm run train -- --data train.npy --labels train_labels.npy --checkpoint DIR

\`--data\` is an \`.npy\` of bytes [N, ${height}, ${width}, ${channels}] or of numbers in the model's own layout, with \`--labels\` an \`.npy\` of class
indices; or a folder of pictures with a \`labels.csv\` (\`file,label\`). \`--steps N\` says how long (${recipe.steps} by default), \`--eval-data\` and
\`--eval-labels\` what to measure on; \`npm run train -- --help\` lists the rest. Run it again with the same folder and it goes on from the last
checkpoint, to the same numbers as if it had never stopped.

In a browser, with the same two files and a live chart:

    npm run page

It keeps checkpoints in the browser; downloaded into a folder, they are what DIR is here.

Then, where the compiler is:

    qc compile MODEL.onnx --from-training DIR --target c -o build

| file | |
|---|---|
| \`model.ts\` | the model, quantizers included: one statement a layer |
| \`float-model.ts\` | the same without quantizers: the teacher, and the measure |
| \`recipe.ts\` | every choice of the training |
| \`images.ts\`, \`data.ts\` | how bytes become inputs; where images come from |
| \`train.ts\` | the command |
| \`page.ts\`, \`index.html\`, \`serve.ts\` | the page |
| \`weights.json\`, \`weights.bin\` | every tensor, where training starts |
| \`runtime/\` | quantizers, gradients, the loop |

DIR holds \`checkpoint.json\` and its tensors, \`metrics.jsonl\` (a line of JSON every few steps) and \`curves.svg\`.
`;
}
