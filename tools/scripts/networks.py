"""Convolutional networks, a mixture of experts and a block of a diffusion model, as PyTorch's exporter writes them.

models.py imports NETWORKS. Weights are random but fixed, and scaled so that activations stay near unit size."""
import contextlib
import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

F32, I64 = np.float32, np.int64


class Network:
    """A graph under construction. Values are names; a Python number or array becomes a constant."""

    def __init__(self):
        self.nodes, self.tensors, self.path, self.used = [], [], [], {}
        self.rng = np.random.default_rng(3)

    @contextlib.contextmanager
    def scope(self, name):
        self.path.append(str(name))
        yield
        self.path.pop()

    def name(self, kind):
        base = "/" + "/".join([*self.path, kind])
        self.used[base] = self.used.get(base, -1) + 1
        return base if not self.used[base] else f"{base}_{self.used[base]}"

    def node(self, op, *inputs, outputs=1, **attributes):
        name = self.name(op)
        names = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, [self.value(i) for i in inputs], names, name, **attributes))
        return names[0] if outputs == 1 else names

    def value(self, x):
        if isinstance(x, str):
            return x
        array = np.asarray(x)
        array = array.astype(I64 if array.dtype.kind == "i" else F32)
        return self.tensor("constant", array)

    def tensor(self, kind, array):
        name = self.name(kind)
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape, std):
        return self.tensor("weight", self.rng.standard_normal(shape, F32) * F32(std))

    def bias(self, count):
        return self.tensor("bias", self.rng.standard_normal(count, F32) * F32(0.1))

    # -- layers

    def conv(self, x, cin, cout, kernel=3, stride=1, groups=1, bias=True, gain=1.4, pads=None):
        """kernel: the height and width of a filter, or (height, width); the image gets half of it as a border unless `pads` is given."""
        shape = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
        tensors = [self.weight(cout, cin // groups, *shape, std=gain / math.sqrt(cin // groups * math.prod(shape)))]
        return self.node("Conv", x, *tensors, *([self.bias(cout)] if bias else []), dilations=[1, 1], group=groups,
                         kernel_shape=shape, pads=pads or [k // 2 for k in shape] * 2, strides=[stride] * 2)

    def batch_norm(self, x, channels):
        positive = lambda: self.tensor("scale", self.rng.uniform(0.7, 1.3, channels).astype(F32))
        return self.node("BatchNormalization", x, positive(), self.bias(channels), self.bias(channels), positive(), epsilon=1e-5)

    def gemm(self, x, fan_in, fan_out):
        return self.node("Gemm", x, self.weight(fan_out, fan_in, std=fan_in**-0.5), self.bias(fan_out), transB=1)

    def linear(self, x, fan_in, fan_out, bias=True):
        y = self.node("MatMul", x, self.weight(fan_in, fan_out, std=fan_in**-0.5))
        return self.node("Add", self.bias(fan_out), y) if bias else y

    def relu(self, x):
        return self.node("Relu", x)

    def silu(self, x):
        return self.node("Mul", x, self.node("Sigmoid", x))

    def gelu(self, x):
        erf = self.node("Erf", self.node("Div", x, math.sqrt(2)))
        return self.node("Mul", self.node("Mul", x, self.node("Add", erf, 1.0)), 0.5)

    def group_norm(self, x, channels, height, width, groups=32):
        """The ops that the exporter writes: an InstanceNormalization of the groups, with scale 1, then the affine part."""
        y = self.node("Reshape", x, [0, groups, -1])
        y = self.node("InstanceNormalization", y, np.ones(groups, F32), np.zeros(groups, F32), epsilon=1e-5)
        y = self.node("Reshape", y, [1, channels, height, width])
        scale = self.tensor("scale", self.rng.uniform(0.7, 1.3, (channels, 1, 1)).astype(F32))
        shift = self.tensor("shift", self.rng.standard_normal((channels, 1, 1), F32) * F32(0.1))
        return self.node("Add", self.node("Mul", y, scale), shift)

    def model(self, name, inputs, result, dims):
        self.nodes[-1].output[0] = "output"
        assert result == self.nodes[-1].name + "_output_0"
        value = lambda n, d: helper.make_tensor_value_info(n, TensorProto.FLOAT, d)
        graph = helper.make_graph(self.nodes, name, [value(n, d) for n, d in inputs.items()], [value("output", dims)], self.tensors)
        return helper.make_model(graph, producer_name="models", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


# ---- images ----

def classifier(name, features, image=(1, 3, 224, 224), classes=1000):
    """`features(net, image)` returns the scores of the classes."""
    net = Network()
    return net.model(name, {"image": list(image)}, features(net, "image"), [1, classes]), {}


def vgg19(net, x):
    width, size = 3, 224
    for stage, (channels, depth) in enumerate([(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)]):
        with net.scope(f"stage.{stage}"):
            for _ in range(depth):
                x, width = net.relu(net.conv(x, width, channels)), channels
            x, size = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), size // 2
    x = net.node("Flatten", x, axis=1)
    x = net.relu(net.gemm(x, width * size * size, 4096))
    return net.gemm(net.relu(net.gemm(x, 4096, 4096)), 4096, 1000)


def resnet50(net, x, normalized=False):
    """normalized: with a BatchNormalization after each Conv, as other exporters write it; PyTorch's exporter folds it into weights."""
    def conv(x, cin, cout, kernel, stride=1, gain=1.4):
        y = net.conv(x, cin, cout, kernel, stride, bias=not normalized, gain=gain)
        return net.batch_norm(y, cout) if normalized else y

    x = net.node("MaxPool", net.relu(conv(x, 3, 64, 7, 2)), kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    width = 64
    for stage, (inner, depth) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for i in range(depth):
            with net.scope(f"stage.{stage}.{i}"):
                stride = 2 if stage and not i else 1
                y = net.relu(conv(x, width, inner, 1))
                y = net.relu(conv(y, inner, inner, 3, stride))
                y = conv(y, inner, 4 * inner, 1, gain=0.3)
                x = net.relu(net.node("Add", y, x if i else conv(x, width, 4 * inner, 1, stride, gain=1)))
                width = 4 * inner
    return net.gemm(net.node("Flatten", net.node("GlobalAveragePool", x), axis=1), width, 1000)


def mobilenetv2(net, x):
    relu6 = lambda x: net.node("Clip", x, 0.0, 6.0)
    x, width = relu6(net.conv(x, 3, 32, 3, 2)), 32
    for stage, (factor, channels, depth, stride) in enumerate(
            [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]):
        for i in range(depth):
            with net.scope(f"stage.{stage}.{i}"):
                inner = width * factor
                y = x if factor == 1 else relu6(net.conv(x, width, inner, 1))
                y = relu6(net.conv(y, inner, inner, 3, 1 if i else stride, groups=inner))
                y = net.conv(y, inner, channels, 1, gain=1)
                x = net.node("Add", x, y) if i else y
                width = channels
    x = net.node("GlobalAveragePool", relu6(net.conv(x, width, 1280, 1)))
    return net.gemm(net.node("Flatten", x, axis=1), 1280, 1000)


def dscnn(net, x, width=64, words=12):
    """The keyword spotter of Zhang et al., Hello Edge: keyword spotting on microcontrollers, arXiv:1711.07128 (DS-CNN-S, as in MLPerf
    Tiny): 49 frames of 10 cepstral coefficients."""
    x = net.relu(net.conv(x, 1, width, (10, 4), 2, pads=[4, 1, 5, 1]))
    for layer in range(4):
        with net.scope(f"layer.{layer}"):
            x = net.relu(net.conv(x, width, width, 3, groups=width))
            x = net.relu(net.conv(x, width, width, 1))
    return net.gemm(net.node("Flatten", net.node("GlobalAveragePool", x), axis=1), width, words)


# ---- a mixture of experts whose weights are gathered for each token ----

def moe(tokens=128, width=256, inner=512, experts=8, chosen=2):
    net = Network()
    scores = net.node("Softmax", net.linear("tokens", width, experts, bias=False), axis=-1)
    best, which = net.node("TopK", scores, [chosen], outputs=2, axis=-1)
    share = net.node("Div", best, net.node("ReduceSum", best, [-1], keepdims=1))

    def product(x, fan_in, fan_out):
        bank = net.weight(experts, fan_in, fan_out, std=fan_in**-0.5)
        return net.node("MatMul", x, net.node("Gather", bank, which, axis=0))  # [tokens, chosen, 1, fan_out]

    x = net.node("Unsqueeze", "tokens", [1, 2])
    y = net.node("Mul", net.silu(product(x, width, inner)), product(x, width, inner))
    y = net.node("Squeeze", product(y, inner, width), [2])
    y = net.node("Mul", y, net.node("Unsqueeze", share, [-1]))
    y = net.node("ReduceSum", y, [1], keepdims=0)
    return net.model("moe", {"tokens": [tokens, width]}, net.node("Add", "tokens", y), [tokens, width]), {}


# ---- a block of Stable Diffusion's UNet ----

def unet_block(channels=320, height=32, width=32, heads=8, context=77, context_width=768, time=1280):
    """A residual block with the time's embedding, and a transformer of self-attention, cross-attention and GEGLU."""
    net = Network()
    pixels, head = height * width, channels // heads

    def attention(x, y, n, fan_in):
        def split(z, count):
            return net.node("Transpose", net.node("Reshape", z, [1, count, heads, head]), perm=[0, 2, 1, 3])
        q = split(net.linear(x, channels, channels, bias=False), pixels)
        k = split(net.linear(y, fan_in, channels, bias=False), n)
        v = split(net.linear(y, fan_in, channels, bias=False), n)
        root = math.sqrt(head**-0.5)
        keys = net.node("Mul", net.node("Transpose", k, perm=[0, 1, 3, 2]), root)
        weights = net.node("Softmax", net.node("MatMul", net.node("Mul", q, root), keys), axis=-1)
        joined = net.node("Transpose", net.node("MatMul", weights, v), perm=[0, 2, 1, 3])
        return net.linear(net.node("Reshape", joined, [1, pixels, channels]), channels, channels)

    def norm(x):
        return net.node("LayerNormalization", x, np.ones(channels, F32), np.zeros(channels, F32), axis=-1, epsilon=1e-5)

    def geglu(x):
        parts = net.node("Split", net.linear(x, channels, 8 * channels), outputs=2, axis=-1)
        return net.linear(net.node("Mul", parts[0], net.gelu(parts[1])), 4 * channels, channels)

    with net.scope("resnet"):
        y = net.conv(net.silu(net.group_norm("sample", channels, height, width)), channels, channels, gain=1)
        emb = net.gemm(net.silu("time"), time, channels)
        y = net.node("Add", y, net.node("Unsqueeze", net.node("Unsqueeze", emb, [2]), [3]))
        y = net.conv(net.silu(net.group_norm(y, channels, height, width)), channels, channels, gain=1)
        x = net.node("Add", "sample", y)
    with net.scope("transformer"):
        y = net.conv(net.group_norm(x, channels, height, width), channels, channels, 1, gain=1)
        y = net.node("Reshape", net.node("Transpose", y, perm=[0, 2, 3, 1]), [1, pixels, channels])
        z = norm(y)
        y = net.node("Add", attention(z, z, pixels, channels), y)
        y = net.node("Add", attention(norm(y), "context", context, context_width), y)
        y = net.node("Add", geglu(norm(y)), y)
        y = net.node("Transpose", net.node("Reshape", y, [1, height, width, channels]), perm=[0, 3, 1, 2])
        y = net.node("Add", net.conv(y, channels, channels, 1, gain=1), x)
    inputs = {"sample": [1, channels, height, width], "time": [1, time], "context": [1, context, context_width]}
    return net.model("unet", inputs, y, [1, channels, height, width]), {}


NETWORKS = {
    "vgg19": lambda: classifier("vgg19", vgg19),
    "resnet50": lambda: classifier("resnet50", resnet50),
    "resnet50-normalized": lambda: classifier("resnet50", lambda net, x: resnet50(net, x, True)),
    "mobilenetv2": lambda: classifier("mobilenetv2", mobilenetv2),
    "dscnn": lambda: classifier("dscnn", dscnn, (1, 1, 49, 10), 12),
    "moe-gathered": moe,
    "unet-block": unet_block,
}
