#!/usr/bin/env python3
"""Fits the keyword spotter and writes bands.onnx, keywords.onnx and test/.

    python3 train.py        # needs numpy, onnx and a C compiler; one minute

The features are those of a network of separable convolutions (DS-CNN). Nothing is trained by gradients: filters of the
convolutions are random, each channel is scaled to variance 1 and shifted to mean 0 before its Relu, and the last layer is the
solution of a linear least-squares problem (ridge regression) on sounds that sounds.c makes."""
import ctypes
import os
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ["silence", "other", "yes", "no", "stop", "up"]
SAMPLES, RATE, FRAME, STEP, BANDS = 8000, 8000, 256, 128, 20
FRAMES = (SAMPLES - FRAME) // STEP + 1
LEARNED, TESTED, FIRST_TESTED = 1500, 200, 1000000  # voices of each word
RIDGE = 3.0


# ---- sounds -------------------------------------------------------------------------------------

def synthesiser(scratch):
    library = os.path.join(scratch, "sounds.so")
    subprocess.run(["cc", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-o", library,
                    os.path.join(HERE, "sounds.c")], check=True)
    return ctypes.CDLL(library).sound


def sounds(make, first, count):
    """PCM of `count` voices from `first` on for each word, and the number of the word of each sound."""
    pcm = np.zeros((len(WORDS) * count, SAMPLES), np.int16)
    labels = np.repeat(np.arange(len(WORDS)), count)
    for i, label in enumerate(labels):
        make(int(label), ctypes.c_uint32(first + i % count), pcm[i].ctypes.data_as(ctypes.c_void_p))
    return pcm, labels


# ---- the network, in numpy ----------------------------------------------------------------------

def window():
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


def mel_bands():
    """f32[FRAME / 2 + 1, BANDS]: triangles whose centres are equally far apart in mel, from 100 to 3800 Hz."""
    mel = np.linspace(*(2595 * np.log10(1 + np.array([100, 3800]) / 700)), BANDS + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    at = np.arange(FRAME // 2 + 1)[:, None] * RATE / FRAME
    rising, falling = (at - hertz[:-2]) / (hertz[1:-1] - hertz[:-2]), (hertz[2:] - at) / (hertz[2:] - hertz[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def log_mel(pcm):
    frames = np.lib.stride_tricks.sliding_window_view(pcm / 32768.0, FRAME, axis=1)[:, ::STEP]
    power = np.abs(np.fft.rfft(frames * window(), axis=2)) ** 2
    return np.log(power @ mel_bands() + 1e-4).astype(np.float32)


def convolve(x, w, strides, pads, groups=1):
    """x [N, C, H, W], w [M, C / groups, h, w], pads (top, left, bottom, right)."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    v = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::strides[0], ::strides[1]]
    if groups == 1:
        return np.einsum("nchwij,mcij->nmhw", v, w, optimize=True)
    return np.einsum("nchwij,cij->nchw", v, w[:, 0], optimize=True)


# name, channels, kernel, strides, pads, depthwise
LAYERS = [("first", 16, (8, 4), (2, 2), (2, 1, 3, 1), False),
          ("deep1", 16, (3, 3), (1, 1), (1, 1, 1, 1), True), ("wide1", 32, (1, 1), (1, 1), (0, 0, 0, 0), False),
          ("deep2", 32, (3, 3), (2, 2), (1, 1, 0, 0), True), ("wide2", 48, (1, 1), (1, 1), (0, 0, 0, 0), False),
          ("deep3", 48, (3, 3), (1, 1), (1, 1, 1, 1), True), ("wide3", 64, (1, 1), (1, 1), (0, 0, 0, 0), False)]
POOL = (5, 5)


def layers(x, r, weights):
    """Runs the convolutions on x; if `weights` is empty, draws them and fits the scales to x."""
    fit = not weights
    for name, channels, kernel, strides, pads, depthwise in LAYERS:
        groups = channels if depthwise else 1
        if fit:
            w = r.normal(size=(channels, x.shape[1] // groups, *kernel)).astype(np.float32)
            y = convolve(x[::8], w, strides, pads, groups)
            scale = 1 / (y.std((0, 2, 3)) + 1e-6)
            bias = -y.mean((0, 2, 3)) * scale
            weights[name] = (w * scale[:, None, None, None]).astype(np.float32), bias.astype(np.float32)
        w, b = weights[name]
        x = np.maximum(convolve(x, w, strides, pads, groups) + b[:, None, None], 0)
    n, c, h, wide = x.shape
    return x.reshape(n, c, h // POOL[0], POOL[0], wide // POOL[1], POOL[1]).mean((3, 5)).reshape(n, -1)


def features(pcm, r, weights):
    mel = log_mel(pcm)
    if not weights:
        weights["mel"] = np.array([mel.mean(), 1 / mel.std()], np.float32)
        found = layers(((mel - weights["mel"][0]) * weights["mel"][1])[:, None], r, convolutions := {})
        weights.update(convolutions)
        return found
    convolutions = {k: v for k, v in weights.items() if k not in ("mel", "last")}
    return layers(((mel - weights["mel"][0]) * weights["mel"][1])[:, None], r, convolutions)


def solve(x, labels):
    """The matrix and the bias that minimise |x w + b - t|^2 + RIDGE |w|^2, where t has 1 for the word."""
    targets = np.eye(len(WORDS))[labels]
    mean = x.mean(0)
    centred = (x - mean).astype(np.float64)
    w = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(x.shape[1]), centred.T @ (targets - targets.mean(0)))
    return w.astype(np.float32), (targets.mean(0) - mean @ w).astype(np.float32)


# ---- the model ----------------------------------------------------------------------------------

class Graph:
    """Nodes and constants of a model; each method returns the name of the value that it makes."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def write(self, name, source, result):
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info(*source)],
                                  [helper.make_tensor_value_info(*result)], self.constants)
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="")
        m.ir_version = 8
        onnx.checker.check_model(m, full_check=True)
        onnx.save(m, os.path.join(HERE, name + ".onnx"))


def write_bands(weights):
    """i16[1, FRAME] samples -> f32[1, BANDS]: logarithms of the power in each band, about of mean 0 and variance 1."""
    g = Graph()
    x = g.node("Cast", "samples", ["pcm"], to=TensorProto.FLOAT)
    x = g.node("Mul", "scaled", [x, g.constant("unit", np.float32(1 / 32768))])
    x = g.node("STFT", "spectrum", [x, g.constant("step", np.int64(STEP)), g.constant("window", window())], onesided=1)
    x = g.node("Mul", "squares", [x, x])
    x = g.node("ReduceSum", "power", [x, g.constant("parts", np.array([1, 3], np.int64))], keepdims=0)
    x = g.node("MatMul", "sums", [x, g.constant("mel_bands", mel_bands())])
    x = g.node("Add", "floored", [x, g.constant("least", np.float32(1e-4))])
    x = g.node("Log", "logarithms", [x])
    x = g.node("Sub", "centred", [x, g.constant("mean", weights["mel"][0])])
    g.node("Mul", "mel", [x, g.constant("by", weights["mel"][1])])
    g.write("bands", ("pcm", TensorProto.INT16, [1, FRAME]), ("mel", TensorProto.FLOAT, [1, BANDS]))


def write_keywords(weights):
    """f32[1, FRAMES, BANDS] features of a second -> f32[1, WORDS] scores: the largest is that of the word."""
    g = Graph()
    x = g.node("Reshape", "image", ["mel", g.constant("image_shape", np.array([1, 1, FRAMES, BANDS], np.int64))])
    for name, channels, kernel, strides, pads, depthwise in LAYERS:
        w, b = weights[name]
        x = g.node("Conv", name, [x, g.constant(name + ".weight", w), g.constant(name + ".bias", b)], kernel_shape=kernel,
                   strides=strides, pads=pads, group=channels if depthwise else 1)
        x = g.node("Relu", name + ".relu", [x])
    x = g.node("AveragePool", "pool", [x], kernel_shape=POOL, strides=POOL)
    x = g.node("Flatten", "flat", [x])
    w, b = weights["last"]
    g.node("Gemm", "scores", [x, g.constant("last.weight", w), g.constant("last.bias", b)])
    g.write("keywords", ("mel", TensorProto.FLOAT, [1, FRAMES, BANDS]), ("scores", TensorProto.FLOAT, [1, len(WORDS)]))


def save(array, name, path):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(array, name).SerializeToString())


def main():
    r = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as scratch:
        make = synthesiser(scratch)
        pcm, labels = sounds(make, 0, LEARNED)
        new, wanted = sounds(make, FIRST_TESTED, TESTED)
    weights = {}
    weights["last"] = solve(features(pcm, r, weights), labels)
    scores = features(new, r, weights) @ weights["last"][0] + weights["last"][1]
    found = scores.argmax(1)
    print(f"{sum(np.size(a) for w in weights.values() for a in w)} parameters, {len(new)} new sounds: "
          f"{100 * np.mean(found == wanted):.2f} % right")
    for i, word in enumerate(WORDS):
        print(f"  {word:8s}", *(f"{np.sum(found[wanted == i] == k):4d}" for k in range(len(WORDS))))
    write_bands(weights)
    write_keywords(weights)
    mel = (log_mel(new) - weights["mel"][0]) * weights["mel"][1]
    for i in range(len(WORDS)):
        folder = os.path.join(HERE, "test", f"test_data_set_{i}")
        os.makedirs(folder, exist_ok=True)
        save(mel[i * TESTED:i * TESTED + 1], "mel", os.path.join(folder, "input_0.pb"))
        save(scores[i * TESTED:i * TESTED + 1].astype(np.float32), "scores", os.path.join(folder, "output_0.pb"))


if __name__ == "__main__":
    main()
