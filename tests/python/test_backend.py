"""onnx.backend, on the standard's tests: what `fovea test` passes, passes here."""
import glob
import os
import re
import subprocess
import unittest

import fovea
import numpy as np
from fovea import command, types
from graphs import SHARED, Case, needs_shared

try:
    import onnx
    from fovea import backend
    from onnx import helper, numpy_helper
except ImportError:
    raise unittest.SkipTest("the package onnx is not installed") from None

SUITE = os.path.join(SHARED, "onnx-suite")
PARTS = ("node", "simple", "pytorch-converted", "pytorch-operator")


def array_of(tensor):
    """A tensor of a file; numpy_helper does not know the newest types, or converts them."""
    kind = types.BY_NUMBER.get(tensor.data_type)
    if kind is None or kind.ml is None:
        return numpy_helper.to_array(tensor)
    shape = tuple(tensor.dims)
    if not tensor.raw_data:  # one element in each number, or as many as a byte packs
        data = np.array(tensor.int32_data, np.int64)
        packed = data.astype(np.uint16 if kind.bits == 16 else np.uint8)
    else:
        packed = np.frombuffer(tensor.raw_data, "<u2" if kind.bits == 16 else np.uint8)
    return types.unpack(packed, kind, shape) if kind.bits < 8 else packed.view(kind.dtype).reshape(shape)


def value_of(path, value_type):
    """The value in a file of a test, of the type that the model declares."""
    with open(path, "rb") as f:
        data = f.read()
    kind = value_type.WhichOneof("value")
    if kind == "tensor_type":
        return array_of(onnx.TensorProto.FromString(data))
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    raise unittest.SkipTest("a value of %s" % kind)


def values_of(folder, kind, infos):
    return [value_of(os.path.join(folder, "%s_%d.pb" % (kind, i)), info.type) for i, info in enumerate(infos)
            if os.path.exists(os.path.join(folder, "%s_%d.pb" % (kind, i)))]


def same(got, want):
    """Within the tolerance of `fovea test`."""
    if want is None or isinstance(want, list):
        wanted = [w for w in (want or []) if w is not None]
        return len(got or []) == len(wanted) and all(same(g, w) for g, w in zip(got or [], wanted))
    want = np.asarray(want)
    if isinstance(got, list):  # an optional tensor
        return len(got) == 1 and same(got[0], want)
    if want.dtype.kind in "OSU":
        text = np.vectorize(lambda s: s.decode() if isinstance(s, bytes) else s, otypes=[object])
        return got.shape == want.shape and (not want.size or bool(np.all(got == text(want))))
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if want.dtype.kind not in "fc":
        return bool(np.array_equal(got, want))
    tolerance = 1e-3 if want.dtype == np.float16 else 1e-4
    return bool(np.allclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True))


def passes(folder):
    """Does the test in this folder pass through onnx.backend?"""
    model = onnx.load(os.path.join(folder, "model.onnx"))
    constants = {c.name for c in model.graph.initializer}
    prepared = backend.prepare(model, backend="interp")
    for data in sorted(glob.glob(os.path.join(folder, "test_data_set_*"))):
        inputs = values_of(data, "input", [i for i in model.graph.input if i.name not in constants])
        wanted = values_of(data, "output", model.graph.output)
        got = prepared.run(inputs)
        if len(got) != len(wanted) or not all(same(g, w) for g, w in zip(got, wanted)):
            return False
    return True


def folders():
    """The folders of the standard's tests, each of which has a model and data sets."""
    return [os.path.dirname(f) for part in PARTS for f in sorted(glob.glob(os.path.join(SUITE, part, "*/model.onnx")))]


@needs_shared
class Standard(unittest.TestCase):
    """A test for each folder: if `fovea test` passes it, it passes here."""

    @classmethod
    def setUpClass(cls):
        done = subprocess.run([command.find(), "test", "--backend=interp", *folders()], capture_output=True, text=True,
                              check=False)
        cls.failed = {f for f in folders() if re.search(r"^FAILED %s[: /]" % re.escape(f), done.stdout, re.M)}
        counted = re.search(r"(?m)^(\d+) passed, (\d+) failed", done.stdout)
        assert counted and int(counted[1]) >= len(folders()) - len(cls.failed), done.stdout[-1000:]  # of data sets
        print("fovea test: %d of %d folders pass" % (len(folders()) - len(cls.failed), len(folders())))

    def check(self, folder):
        if folder in self.failed:
            self.skipTest("fovea test does not pass it")
        self.assertTrue(passes(folder), folder)


def _add_tests():
    for folder in folders():
        part, test = folder.split(os.sep)[-2:]
        name = "test_%s_%s" % (part.replace("-", "_"), test[len("test_"):])
        setattr(Standard, name, lambda self, folder=folder: self.check(folder))


_add_tests()


class Functions(Case):
    RELU = helper.make_node("Relu", ["x"], ["y"])

    def model(self):
        x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
        y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
        return helper.make_model(helper.make_graph([self.RELU], "g", [x], [y]),
                                 opset_imports=[helper.make_opsetid("", 14)])

    def test_model(self):
        x = np.float32([-1, 2])
        for inputs in ([x], {"x": x}, x):
            np.testing.assert_array_equal(backend.run_model(self.model(), inputs)[0], [0, 2])
        self.assertTrue(backend.is_compatible(self.model()))
        wrong = self.model()
        wrong.graph.node[0].op_type = "NoSuch"
        self.assertFalse(backend.is_compatible(wrong))
        self.refuses("FV_BAD_ARGUMENT", "2 inputs are given, the model has 1", backend.run_model, self.model(), [x, x])

    def test_node(self):
        np.testing.assert_array_equal(backend.run_node(self.RELU, [np.float32([-1, 2])])[0], [0, 2])
        split = helper.make_node("Split", ["x"], ["a", "b"], axis=0)
        a, b = backend.run_node(split, [np.arange(4)], opset_version=13)
        self.assertEqual((a.tolist(), b.tolist()), ([0, 1], [2, 3]))
        twice = helper.make_node("Add", ["x", "x"], ["y"])
        np.testing.assert_array_equal(backend.run_node(twice, {"x": np.float32([3])})[0], [6])
        self.refuses("FV_BAD_ARGUMENT", "'x'", backend.run_node, twice, {})
        self.refuses("FV_BAD_ARGUMENT", "the node has 1", backend.run_node, self.RELU, [])

    def test_devices(self):
        self.assertTrue(backend.supports_device("CPU"))
        self.assertFalse(backend.supports_device("CUDA:0"))
        self.refuses("FV_BAD_ARGUMENT", "'CUDA'", backend.prepare, self.model(), "CUDA")
        self.assertFalse(backend.is_compatible(self.model(), "CUDA"))

    def test_a_closed_model(self):
        prepared = backend.prepare(self.model())
        prepared.session.close()
        self.refuses("FV_BAD_ARGUMENT", "closed", prepared.run, [np.float32([1, 2])])
        self.assertIsInstance(prepared.session, fovea.Session)
