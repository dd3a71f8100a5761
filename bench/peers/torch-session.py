"""Times a network in PyTorch (protocol: line-process.ts).

    torch-session.py NETWORK KIND THREADS

NETWORK is the JSON of network.ts, KIND `float` or `int8`. The network is built as an FX graph with drawn weights. In float it is traced,
frozen and optimised for inference; int8 is FX graph mode quantization with the engine that this build has, fbgemm where there is one.
"""
import json
import sys
import time
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")
path, kind, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.set_num_interop_threads(1)
torch.manual_seed(0)
with open(path, encoding="utf8") as file:
    network = json.load(file)


class Padded(nn.Module):
    """A layer whose pads differ between the ends of an axis."""

    def __init__(self, pads, value, layer):
        super().__init__()
        self.pad = nn.ConstantPad2d(pads, value)
        self.layer = layer

    def forward(self, x):
        return self.layer(self.pad(x))


def padded(pads, value, make):
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return make((top, left))
    return Padded((left, right, top, bottom), value, make((0, 0)))


def module_of(node):
    """The module that computes a node, None where it is no module."""
    op, attributes, constants = node["op"], node["attributes"], node["constants"]
    if op == "conv2d":
        outputs, inputs, *kernel = constants[0]
        groups = attributes["groups"]
        return padded(attributes["pads"], 0.0, lambda pads: nn.Conv2d(
            inputs * groups, outputs, kernel, attributes["strides"], pads, attributes["dilations"], groups))
    if op == "dense":
        outputs, inputs = constants[0]
        return nn.Linear(inputs, outputs)
    if op == "relu":
        return nn.ReLU()
    if op == "clip":
        return nn.Hardtanh(attributes["min"], attributes["max"])
    if op == "softmax":
        return nn.Softmax(attributes["axis"])
    if op == "max_pool2d":
        return padded(attributes["pads"], float("-inf"), lambda pads: nn.MaxPool2d(
            attributes["kernel"], attributes["strides"], pads, attributes["dilations"]))
    if op == "average_pool2d":
        return padded(attributes["pads"], 0.0, lambda pads: nn.AvgPool2d(
            attributes["kernel"], attributes["strides"], pads, count_include_pad=False))
    return None


modules = nn.Module()
graph = torch.fx.Graph()
values = {network["input"]["name"]: graph.placeholder("x")}
for i, node in enumerate(network["nodes"]):
    arguments = [values[name] for name in node["inputs"]]
    module = module_of(node)
    if module is not None:
        modules.add_module(f"step{i}", module)
        value = graph.call_module(f"step{i}", (arguments[0],))
    elif node["op"] == "add" and len(arguments) == 2:
        value = graph.call_function(torch.add, tuple(arguments))
    elif node["op"] == "reduce_mean":
        value = graph.call_function(torch.mean, (arguments[0], node["attributes"]["axes"], node["attributes"]["keepdims"]))
    elif node["op"] == "reshape":
        value = graph.call_function(torch.flatten, (arguments[0], 1))
    else:
        sys.exit(f"error: the PyTorch peer builds no {node['op']}")
    values[node["name"]] = value
graph.output(values[network["output"]])
model = torch.fx.GraphModule(modules, graph).eval()
example = torch.randn(network["input"]["shape"])

with torch.inference_mode(False), torch.no_grad():
    if kind == "float":
        model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, example)))
        detail = "traced, frozen, optimised for inference"
    else:
        from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

        engines = torch.backends.quantized.supported_engines
        engine = next((name for name in ("fbgemm", "onednn", "qnnpack") if name in engines), None)
        if engine is None:
            sys.exit("error: this PyTorch has no engine for quantized networks")
        torch.backends.quantized.engine = engine
        model = quantize_fx.prepare_fx(model, get_default_qconfig_mapping(engine), (example,))
        for _ in range(4):
            model(torch.randn(network["input"]["shape"]))
        model = quantize_fx.convert_fx(model)
        kinds = [type(module).__name__ for module in model.modules()]
        quantized = sum(name in ("Conv2d", "ConvReLU2d", "Linear", "LinearReLU") for name in kinds)
        model = torch.jit.freeze(torch.jit.trace(model, example))
        detail = f"FX graph mode, engine {engine}, {quantized} quantized layers"

with torch.inference_mode():
    model(example)
    print(json.dumps({"device": f"PyTorch {torch.__version__}", "detail": detail}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            model(example)
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps(times), flush=True)
