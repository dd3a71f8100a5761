#!/usr/bin/env python3
"""ONNX Runtime's own quantizer on a model: the peer that `qc compile` is measured beside.

Quantizes to 8 bits (QDQ, u8 activations, s8 weights per channel) on calibration inputs, runs the float and the quantized model in ONNX
Runtime on labelled images, and prints one JSON line for each calibration method: top-1 of both, the drop in points, and how often the two
choose the same class.

    bash bench/setup
    bench/.venv/bin/python bench/peers/quantizer-accuracy.py resnet18.onnx --preprocess imagenet --calib photos --data val

Images are prepared as `qc --preprocess NAME` prepares them (the resizing is Pillow's, which qc repeats bit for bit), so both quantizers can see the
same pixels: `--keep-calibration x.npy` writes the calibration inputs for `qc compile --calib x.npy`.
"""
import argparse
import contextlib
import csv
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
# Images calibrated at once: the histogram methods keep every tensor of as many.
CHUNK = 10


def cropped(path, side):
    """The short side to 256 unless it is within 224..256 already, then the centre: `imagenet` of qc."""
    image = Image.open(path).convert("RGB")
    short = min(image.size)
    if not side <= short <= 256:
        scale = 256 / short
        image = image.resize([round(extent * scale) for extent in image.size], Image.Resampling.BILINEAR)
    left, top = [round((extent - side) / 2) for extent in image.size]
    return np.asarray(image.crop((left, top, left + side, top + side)))


def prepared(pixels, preprocess, channels_last):
    x = pixels.astype(np.float32)
    if preprocess in ("imagenet", "imagenet-norm"):
        x = (x / 255 - MEAN) / DEVIATION
    elif preprocess == "unit":
        x = x / 255
    return (x if channels_last else x.transpose(2, 0, 1))[None].astype(np.float32)


def evenly(total, count):
    return np.unique(np.linspace(0, total - 1, min(total, count)).round().astype(int))


class Images:
    """A folder with labels.csv, or an .npy of u8 [N, H, W, 3]; `count` of them, spread evenly, or all."""

    def __init__(self, path, labels, count, shape, preprocess):
        self.channels_last = shape[-1] == 3
        self.side = shape[1] if self.channels_last else shape[2]
        self.preprocess = preprocess
        if Path(path).is_dir():
            with open(Path(path) / "labels.csv", newline="") as file:
                rows = list(csv.DictReader(file))
            self.sources = [Path(path) / row["file"] for row in rows]
            self.labels = [int(row["label"]) for row in rows]
        else:
            self.sources = np.load(path, mmap_mode="r")
            self.labels = None if labels is None else np.load(labels).tolist()
        chosen = range(len(self.sources)) if count is None else evenly(len(self.sources), count)
        self.chosen = list(chosen)

    def __len__(self):
        return len(self.chosen)

    def __getitem__(self, i):
        source = self.sources[self.chosen[i]]
        pixels = cropped(source, self.side) if isinstance(source, Path) else source
        return prepared(pixels, self.preprocess, self.channels_last)

    def label(self, i):
        return None if self.labels is None else self.labels[self.chosen[i]]


class Reader(CalibrationDataReader):
    def __init__(self, images, name):
        self.images, self.name = images, name
        self.set_range(0, len(images))

    def __len__(self):
        return len(self.images)

    def set_range(self, start_index, end_index):
        self.next, self.end = start_index, end_index

    def get_next(self):
        if self.next >= self.end:
            return None
        self.next += 1
        return {self.name: self.images[self.next - 1]}


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def classes(path, images):
    run = session(path)
    name = run.get_inputs()[0].name
    return [int(run.run(None, {name: images[i]})[0].argmax()) for i in range(len(images))]


def percent(found, wanted):
    return round(100 * float(np.mean(np.array(found) == np.array(wanted))), 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--preprocess", choices=["imagenet", "imagenet-norm", "raw", "unit"], required=True)
    parser.add_argument("--calib", required=True, help="a folder with labels.csv, or an .npy of u8 images")
    parser.add_argument("--samples", type=int, default=250, help="calibration images, spread evenly (a multiple of 10)")
    parser.add_argument("--data", required=True, help="test images, likewise")
    parser.add_argument("--labels", help="an .npy of labels for --data")
    parser.add_argument("--limit", type=int, help="test on the first so many")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--keep-calibration", help="write the calibration inputs to this .npy")
    options = parser.parse_args()

    shape = [axis if isinstance(axis, int) else 1 for axis in session(options.model).get_inputs()[0].shape]
    calibration = Images(options.calib, None, options.samples, shape, options.preprocess)
    if len(calibration) % CHUNK != 0:
        parser.error(f"{len(calibration)} calibration images are no multiple of {CHUNK}")
    if options.keep_calibration:
        np.save(options.keep_calibration, np.concatenate([calibration[i] for i in range(len(calibration))]))
    test = Images(options.data, options.labels, None, shape, options.preprocess)
    test.chosen = test.chosen[: options.limit]
    labels = [test.label(i) for i in range(len(test))]

    float_classes = classes(options.model, test)
    with tempfile.TemporaryDirectory() as folder:
        # Folds the batch norms first, as ONNX Runtime's documentation asks for.
        ready, quantized = Path(folder) / "ready.onnx", Path(folder) / "quantized.onnx"
        quant_pre_process(options.model, str(ready))
        name = onnx.load(str(ready)).graph.input[0].name
        for method in options.methods.split(","):
            # It prints its progress to standard output.
            with contextlib.redirect_stdout(sys.stderr):
                quantize_static(
                    str(ready),
                    str(quantized),
                    Reader(calibration, name),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    calibrate_method=METHODS[method],
                    extra_options={"CalibStridedMinMax": CHUNK},
                )
            found = classes(quantized, test)
            top1, float_top1 = percent(found, labels), percent(float_classes, labels)
            line = {
                "model": Path(options.model).name,
                "method": method,
                "onnxruntime": onnxruntime.__version__,
                "calibration": len(calibration),
                "n": len(test),
                "float_top1": float_top1,
                "top1": top1,
                "drop": round(float_top1 - top1, 2),
                "agreement": percent(found, float_classes),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
