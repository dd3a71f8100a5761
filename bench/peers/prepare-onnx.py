"""The models that ONNX Runtime runs, made as its users make them.

    prepare-onnx.py MODEL FLOAT INT8

Writes MODEL at batch 1 to FLOAT, and to INT8 the same after ONNX Runtime's own static quantization in the form that is fast on x64: QDQ,
unsigned activations, signed weights with a scale for each output channel. Calibration inputs are drawn: times do not depend on them.
"""
import os
import sys
import tempfile

import numpy
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.tools.onnx_model_utils import make_input_shape_fixed


class Drawn(CalibrationDataReader):
    def __init__(self, name, shape):
        random = numpy.random.default_rng(0)
        self.inputs = iter([{name: random.standard_normal(shape, dtype=numpy.float32)} for _ in range(4)])

    def get_next(self):
        return next(self.inputs, None)


source, float_path, int8_path = sys.argv[1:]
model = onnx.load(source)
constants = {tensor.name for tensor in model.graph.initializer}
(value,) = [value for value in model.graph.input if value.name not in constants]
shape = [dim.dim_value if dim.dim_value > 0 else 1 for dim in value.type.tensor_type.shape.dim]
make_input_shape_fixed(model.graph, value.name, shape)
onnx.save(model, float_path)
with tempfile.TemporaryDirectory() as folder:
    prepared = os.path.join(folder, "prepared.onnx")
    # The shapes are numbers: nothing symbolic is left to be inferred.
    quant_pre_process(float_path, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        int8_path,
        Drawn(value.name, shape),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
