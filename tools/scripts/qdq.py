"""Quantizes a network statically, as ONNX Runtime's quantize_static writes it: QuantizeLinear and DequantizeLinear around each op.

models.py imports quantized(). Activations are u8 with the range that they have for random images, weights are s8 with a scale for each
channel of the result, biases are i32."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

PRODUCTS = {"Conv", "Gemm", "MatMul"}
SAME_RANGE = {"MaxPool", "Flatten"}  # their results have the scale of their operand
OTHERS = {"Add", "GlobalAveragePool", *SAME_RANGE}
FUSED = {"Relu", "Clip"}  # computed with the op before them
CALIBRATION = 64  # the height and width, at most, of the images with which ranges are measured


# ---- the network in floats, for one image ----

def windows(x, kernel, strides, pads, fill):
    """[n, c, h, w, kh, kw]: the window of each position."""
    x = np.pad(x, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])], constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))[:, :, :: strides[0], :: strides[1]]


def conv(x, weight, bias, strides, pads, group, **_):
    n, (m, _, *kernel) = x.shape[0], weight.shape
    seen = windows(x, kernel, strides, pads, 0)
    h, w = seen.shape[2:4]
    seen = seen.reshape(n, group, -1, h, w, *kernel).transpose(0, 1, 3, 4, 2, 5, 6).reshape(n, group, h * w, -1)
    y = seen @ weight.reshape(group, m // group, -1).transpose(0, 2, 1)
    return y.transpose(0, 1, 3, 2).reshape(n, m, h, w) + bias[:, None, None]


OPERATORS = {
    "Conv": conv,
    "Gemm": lambda x, weight, bias, **a: x @ (weight.T if a.get("transB") else weight) + bias,
    "MatMul": lambda x, y: x @ y,
    "Add": lambda x, y: x + y,
    "Relu": lambda x: np.maximum(x, 0),
    "Clip": np.clip,
    "MaxPool": lambda x, kernel_shape, strides, pads=(0,) * 4: windows(x, kernel_shape, strides, pads, -np.inf).max((-1, -2)),
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdims=True),
    "Flatten": lambda x, axis: x.reshape(len(x), -1),
}


def ranges(graph):
    """The smallest and the largest element of each value for a random image. The networks end with a mean over the image, so smaller
    images do, too."""
    dims = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    size = [min(d, CALIBRATION) for d in dims[2:]]
    image = np.random.default_rng(5).standard_normal([*dims[:2], *size]).astype(np.float32)
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer} | {graph.input[0].name: image}
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](*[values[n] for n in node.input], **attributes)
    return {n: (min(float(v.min()), 0.0), max(float(v.max()), 0.0)) for n, v in values.items()}


# ---- the quantized network ----

class Quantizer:
    def __init__(self, model):
        self.model, self.nodes = model, []
        self.tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.kept, self.scale, self.alias = {}, {}, {}
        users = {}
        for node in model.graph.node:
            for name in node.input:
                users.setdefault(name, []).append(node)
        is_fused = lambda name: len(users.get(name, [])) == 1 and users[name][0].op_type in FUSED
        made = [n.output[0] for n in model.graph.node if n.op_type in PRODUCTS | OTHERS | FUSED]
        self.values = [model.graph.input[0].name, *[n for n in made if not is_fused(n)]]
        self.ranges = ranges(model.graph)

    def keep(self, name, array):
        self.kept[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        return name

    def pair(self, name, scale, zero):
        """QuantizeLinear and DequantizeLinear of a value; its users read the result."""
        at = [self.keep(f"{name}.scale", np.float32(scale)), self.keep(f"{name}.zero_point", np.uint8(zero))]
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *at], [f"{name}.quantized"], f"{name}.QuantizeLinear"))
        self.nodes.append(helper.make_node("DequantizeLinear", [f"{name}.quantized", *at], [f"{name}.dequantized"],
                                           f"{name}.DequantizeLinear"))
        self.alias[name], self.scale[name] = f"{name}.dequantized", (scale, zero)

    def activation(self, name, like=None):
        low, high = self.ranges[name]
        scale = np.float32((high - low) / 255)
        self.pair(name, *(self.scale[like] if like else (scale, np.round(-low / scale))))

    def constant(self, name, array, scale, axis):
        array = np.clip(np.round(array / scale.reshape([-1 if i == axis else 1 for i in range(array.ndim)])),
                        *((-127, 127) if array.ndim > 1 else (-(2.0**31), 2.0**31 - 1)))
        array = array.astype(np.int8 if array.ndim > 1 else np.int32)
        zero = np.zeros(scale.shape, array.dtype)
        operands = [self.keep(f"{name}.quantized", array), self.keep(f"{name}.scale", scale.astype(np.float32)),
                    self.keep(f"{name}.zero_point", zero)]
        self.nodes.append(helper.make_node("DequantizeLinear", operands, [f"{name}.dequantized"], f"{name}.DequantizeLinear", axis=axis))
        return f"{name}.dequantized"

    def product(self, node):
        weight = self.tensors[node.input[1]]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axis = 0 if node.op_type == "Conv" or attributes.get("transB") else weight.ndim - 1
        scale = np.abs(weight).max(axis=tuple(i for i in range(weight.ndim) if i != axis)) / 127
        inputs = [self.alias[node.input[0]], self.constant(node.input[1], weight, scale, axis)]
        if len(node.input) > 2:
            inputs.append(self.constant(node.input[2], self.tensors[node.input[2]], scale * self.scale[node.input[0]][0], 0))
        return inputs

    def convert(self, node):
        copy = type(node)()
        copy.CopyFrom(node)
        inputs = self.product(node) if node.op_type in PRODUCTS else [self.alias.get(n, n) for n in node.input]
        del copy.input[:]
        copy.input.extend(inputs)
        for name in inputs:
            if name in self.tensors:
                self.keep(name, self.tensors[name])
        self.nodes.append(copy)
        if node.output[0] in self.values:
            self.activation(node.output[0], node.input[0] if node.op_type in SAME_RANGE else None)

    def run(self):
        graph = self.model.graph
        self.activation(graph.input[0].name)
        for node in graph.node:
            self.convert(node)
        result = graph.output[0]
        self.nodes.append(helper.make_node("Identity", [self.alias[result.name]], ["scores"], "scores"))
        result = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [d.dim_value for d in result.type.tensor_type.shape.dim])
        made = helper.make_graph(self.nodes, f"{graph.name}-qdq", graph.input, [result], list(self.kept.values()))
        return helper.make_model(made, producer_name="models", opset_imports=self.model.opset_import, ir_version=8)


def quantized(model):
    return Quantizer(model).run()
