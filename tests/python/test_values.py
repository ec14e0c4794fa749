"""Strings, sequences, optionals and maps; the packing of types of less than a byte."""
import os
import sys
import unittest.mock
from types import ModuleType as types_module

import fovea
import numpy as np
from fovea import types, values
from graphs import SHARED, Case, needs_shared


class Packing(Case):
    def test_there_and_back(self):
        for number in (21, 22, 25, 26):
            kind = types.BY_NUMBER[number]
            lowest = -(1 << (kind.bits - 1)) if kind.dtype == np.int8 else 0
            for n in range(6):
                x = (np.arange(n) % (1 << kind.bits) + lowest).astype(kind.dtype).reshape(n, 1)
                packed = types.pack(x, kind.bits)
                self.assertEqual(packed.size, -(-n * kind.bits // 8))
                np.testing.assert_array_equal(types.unpack(packed, kind, (n, 1)), x)

    def test_the_first_is_lowest(self):
        self.assertEqual(types.pack(np.uint8([1, 2, 3]), 4).tolist(), [0x21, 3])


class Texts(Case):
    def test_there_and_back(self):
        for x in (["to", "", "be"], [["a"], ["é"]], [], "one"):
            text, ends = values.join_strings(x, "x")
            np.testing.assert_array_equal(values.split_strings(text, ends), np.array(x, object))

    def test_kinds_of_strings(self):
        for x in (np.array(["a", "bc"]), np.array([b"a", b"bc"]), np.array(["a", "bc"], object), ["a", b"bc"]):
            text, ends = values.join_strings(x, "x")
            self.assertEqual((text.tobytes(), ends.tolist()), (b"abc", [1, 3]))

    def test_no_strings(self):
        for x in (3, [1, 2], np.ones(2), [None], ["a", 1], {}):
            self.refuses("FV_BAD_ARGUMENT", "input 'x'", values.join_strings, x, "x")
        self.refuses("FV_BAD_ARGUMENT", "no UTF-8", values.join_strings, "\ud800", "x")


BF16 = b"""fovea-ir 1
module "wide"
func @main(%x: bf16[2]) -> (%y) {
  %y = Add(%x, %x)
  return %y
}
"""
ONE, TWO = 0x3f80, 0x4000  # as bfloat16


class Extensions(Case):
    """Types that only ml_dtypes has."""

    def test_without_ml_dtypes(self):
        with unittest.mock.patch.dict(sys.modules, {"ml_dtypes": None}):
            s = fovea.Session(BF16, backend="interp")
            y = s(np.uint16([ONE, TWO]))
            self.assertEqual((y.dtype, y.tolist()), (np.uint16, [TWO, 0x4080]))
            self.refuses("FV_BAD_ARGUMENT", "expected bfloat16[2]", s, np.float32([1, 2]))

    def test_with_a_package_of_that_name(self):
        found = types_module("ml_dtypes")
        found.bfloat16 = np.dtype([("bits", np.uint16)])  # any dtype of two bytes
        with unittest.mock.patch.dict(sys.modules, {"ml_dtypes": found}):
            s = fovea.Session(BF16, backend="interp")
            x = np.uint16([ONE, TWO])
            for given in (x, x.view(found.bfloat16)):
                for _ in range(2):  # the second run keeps the arguments of the first
                    y = s(given)
                    self.assertEqual((y.dtype, y.view(np.uint16).tolist()), (found.bfloat16, [TWO, 0x4080]))

    def test_with_ml_dtypes(self):
        try:
            import ml_dtypes
        except ImportError:
            self.skipTest("the package ml_dtypes is not installed")
        s = fovea.Session(BF16, backend="interp")
        y = s(np.array([1, 2], ml_dtypes.bfloat16))
        self.assertEqual((y.dtype, y.astype(np.float32).tolist()), (ml_dtypes.bfloat16, [2, 4]))
        self.assertEqual(s(np.uint16([ONE, TWO])).dtype, ml_dtypes.bfloat16)


def node(name, **options):
    return fovea.Session(os.path.join(SHARED, "onnx-suite/node", name, "model.onnx"), backend="interp", **options)


@needs_shared
class OfTheStandard(Case):
    def test_strings(self):
        s = node("test_string_concat")
        self.assertEqual(s.get_inputs()[0].type, "tensor(string)")
        self.assertEqual(s(["a", "é"], np.array(["b", ""])).tolist(), ["ab", "é"])
        self.refuses("FV_BAD_DIM", "", s, ["a"], ["b"])

    def test_sequence(self):
        s = node("test_sequence_insert_at_back")
        self.assertEqual(s.get_inputs()[0].type, "seq(tensor(int64))")
        found = s([np.array([1, 2]), np.array([[3]])], np.array([4, 5, 6]))
        self.assertEqual([(a.shape, a.tolist()) for a in found], [((2,), [1, 2]), ((1, 1), [[3]]), ((3,), [4, 5, 6])])
        self.assertEqual(len(s([], np.array([4, 5, 6]))), 1)
        self.refuses("FV_BAD_ARGUMENT", "expected a list of arrays", s, 3, np.array([4, 5, 6]))
        self.refuses("FV_BAD_ARGUMENT", "expected int64", s, [np.ones(2)], np.array([4, 5, 6]))
        self.refuses("FV_BAD_ARGUMENT", "rank 9", s, [np.ones((1,) * 9, np.int64)], np.array([4, 5, 6]))

    def test_optional(self):
        s = node("test_identity_opt")
        self.assertEqual(s.get_inputs()[0].type, "optional(seq(tensor(float)))")
        self.assertIsNone(s(None))
        self.assertEqual([a.tolist() for a in s([np.float32([1, 2])])], [[1, 2]])
        s = node("test_optional_has_element_optional_input")
        self.assertEqual([bool(s(v)) for v in (None, np.ones(4, np.float32), [np.ones(4, np.float32)])],
                         [False, True, True])

    def test_labels(self):
        s = node("test_ai_onnx_ml_label_encoder_string_int")
        self.assertEqual(s(["a", "b", "d", "c", "g"]).dtype, np.int64)


class Maps(Case):
    SELECT = b"""fovea-ir 1
module "labels"
symbol `m.length` 0..100
func @main(%`m.keys`: i64[`m.length`], %`m.values`: f32[`m.length`]) -> (%`r.keys`, %`r.values`) {
  %`r.keys` = Add(%`m.keys`, %`m.keys`)
  %`r.values` = Mul(%`m.values`, %`m.values`)
  return %`r.keys`, %`r.values`
}
"""

    def test_map(self):
        s = fovea.Session(self.SELECT, backend="interp")
        self.assertEqual([v.type for v in s.get_inputs()], ["map(int64,tensor(float))"])
        self.assertEqual(s({1: 2.0, 3: 0.5}), {2: 4.0, 6: 0.25})
        self.assertEqual(s({}), {})
        self.refuses("FV_BAD_ARGUMENT", "expected a dict", s, [1])
        self.refuses("FV_BAD_ARGUMENT", "", s, {"a": 1.0})
