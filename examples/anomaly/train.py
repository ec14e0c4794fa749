#!/usr/bin/env python3
"""Fits the anomaly detector and writes bands.onnx, anomaly.onnx and test/.

    python3 train.py        # needs numpy, onnx and a C compiler; some seconds

The autoencoder is linear: its best weights are the principal components of the features of healthy vibration (P. Baldi,
K. Hornik: Neural networks and principal component analysis, Neural Networks 2, 1989), so nothing is trained by gradients. The
vibration is made by machine.c. Faults are only used to measure, not to fit."""
import ctypes
import os
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
CONDITIONS = ["healthy", "bearing", "unbalanced", "loose", "rubbing"]
SAMPLES, RATE, FRAME, STEP, BANDS, CODE = 1024, 4000, 256, 128, 32, 16
FRAMES = (SAMPLES - FRAME) // STEP + 1
LEARNED, TESTED, FIRST_TESTED = 4000, 1000, 1000000  # moments
ACCEPTED = 0.995  # the share of new healthy windows below the threshold


def simulator(scratch):
    library = os.path.join(scratch, "machine.so")
    subprocess.run(["cc", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-o", library,
                    os.path.join(HERE, "machine.c")], check=True)
    return ctypes.CDLL(library).vibration


def windows(make, condition, first, count):
    out = np.zeros((count, SAMPLES), np.int16)
    for i in range(count):
        make(condition, ctypes.c_uint32(first + i), out[i].ctypes.data_as(ctypes.c_void_p))
    return out


# ---- features -----------------------------------------------------------------------------------

def window():
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


def bands():
    """f32[FRAME / 2 + 1, BANDS]: triangles, equally far apart from 0 Hz to half of the rate."""
    at = np.arange(FRAME // 2 + 1)[:, None]
    centres = np.linspace(1, FRAME // 2, BANDS)
    return np.maximum(0, 1 - np.abs(at - centres) / (centres[1] - centres[0])).astype(np.float32)


def features(samples):
    """The logarithm of the power in each band of each frame, f32[n, FRAMES * BANDS]."""
    frames = np.lib.stride_tricks.sliding_window_view(samples / 1024.0, FRAME, axis=1)[:, ::STEP]
    power = np.abs(np.fft.rfft(frames * window(), axis=2)) ** 2
    return np.log(power @ bands() + 1e-2).reshape(len(samples), -1).astype(np.float32)


def errors(x, mean, scale, components):
    z = (x - mean) * scale
    return ((z - z @ components.T @ components) ** 2).mean(1)


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


def write_bands():
    """i16[1, FRAME] samples -> f32[1, BANDS]: the logarithm of the power in each band."""
    g = Graph()
    x = g.node("Cast", "numbers", ["samples"], to=TensorProto.FLOAT)
    x = g.node("Mul", "scaled", [x, g.constant("unit", np.float32(1 / 1024))])
    x = g.node("STFT", "spectrum", [x, g.constant("step", np.int64(STEP)), g.constant("window", window())], onesided=1)
    x = g.node("Mul", "squares", [x, x])
    x = g.node("ReduceSum", "power", [x, g.constant("parts", np.array([1, 3], np.int64))], keepdims=0)
    x = g.node("MatMul", "sums", [x, g.constant("triangles", bands())])
    x = g.node("Add", "floored", [x, g.constant("least", np.float32(1e-2))])
    g.node("Log", "power_of_bands", [x])
    g.write("bands", ("samples", TensorProto.INT16, [1, FRAME]), ("power_of_bands", TensorProto.FLOAT, [1, BANDS]))


def write_anomaly(mean, scale, components, threshold):
    """f32[1, FRAMES * BANDS] features -> f32[1, 1] score: above 1 is an anomaly."""
    g = Graph()
    x = g.node("Sub", "centred", ["features", g.constant("mean", mean)])
    z = g.node("Mul", "normal", [x, g.constant("by", np.float32(scale))])
    code = g.node("MatMul", "encode", [z, g.constant("encoder", np.ascontiguousarray(components.T))])
    back = g.node("MatMul", "decode", [code, g.constant("decoder", components)])
    x = g.node("Sub", "difference", [z, back])
    x = g.node("Mul", "squared", [x, x])
    x = g.node("ReduceMean", "error", [x], axes=[1], keepdims=1)
    g.node("Mul", "score", [x, g.constant("threshold", np.float32(1 / threshold))])
    g.write("anomaly", ("features", TensorProto.FLOAT, [1, FRAMES * BANDS]), ("score", TensorProto.FLOAT, [1, 1]))


def save(array, name, path):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(array, name).SerializeToString())


def main():
    with tempfile.TemporaryDirectory() as scratch:
        make = simulator(scratch)
        healthy = windows(make, 0, 0, LEARNED)
        new = [windows(make, c, FIRST_TESTED, TESTED) for c in range(len(CONDITIONS))]
    x = features(healthy)
    learned, held = x[:LEARNED * 3 // 4], x[LEARNED * 3 // 4:]
    mean, scale = learned.mean(0), np.float32(1 / learned.std())
    components = np.linalg.svd((learned - mean) * scale, full_matrices=False)[2][:CODE].astype(np.float32)
    threshold = np.quantile(errors(held, mean, scale, components), ACCEPTED)
    for condition, samples in zip(CONDITIONS, new):
        found = errors(features(samples), mean, scale, components) / threshold
        print(f"  {condition:11s} {100 * np.mean(found > 1):6.2f} % reported, median score {np.median(found):.2f}")
    write_bands()
    write_anomaly(mean, scale, components, threshold)
    for i, samples in enumerate(new):
        folder = os.path.join(HERE, "test", f"test_data_set_{i}")
        os.makedirs(folder, exist_ok=True)
        save(features(samples[:1]), "features", os.path.join(folder, "input_0.pb"))
        score = errors(features(samples[:1]), mean, scale, components) / threshold
        save(score.astype(np.float32)[:, None], "score", os.path.join(folder, "output_0.pb"))


if __name__ == "__main__":
    main()
