"""Quantizing, which the command does."""
import os
import tempfile

import fovea
import numpy as np
from graphs import ADD, ROOT, Case

DATES = os.path.join(ROOT, "examples/dates/dates.onnx")


def feeds(date):
    text = np.zeros((1, 40), np.int32)
    text[0, :len(date)] = list(date)
    return {"text": text}


class Quantize(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_int8(self):
        found = fovea.quantize(DATES, self.path("a.onnx"), feeds=feeds(b"3 May 1979"))
        self.assertEqual(found["bytes"], os.path.getsize(self.path("a.onnx")))
        self.assertLess(found["bytes"], 0.6 * found["bytes_before"])
        self.assertEqual({layer["type"] for layer in found["layers"]}, {"int8"})
        self.assertTrue(0 < found["error"] < 0.1, found["error"])
        x = feeds(b"3 May 1979")
        before, after = fovea.Session(DATES).run(None, x)[0], fovea.Session(self.path("a.onnx")).run(None, x)[0]
        error = np.sqrt(np.sum((after - before) ** 2) / np.sum(before ** 2))
        self.assertTrue(0 < error < 0.1, error)

    def test_data_sets(self):
        sets = [feeds(b"3 May 1979"), feeds(b"4 June 2001")]
        fovea.quantize(DATES, self.path("a.onnx"), calibrate=sets, range="entropy")
        for i, s in enumerate(sets):
            os.makedirs(self.path("sets/data_set_%d" % i))
            from fovea.feeds import tensor_proto
            with open(self.path("sets/data_set_%d/input_0.pb" % i), "wb") as f:
                f.write(tensor_proto("text", s["text"]))
        fovea.quantize(DATES, self.path("b.onnx"), calibrate=self.path("sets"), range="entropy")
        fovea.quantize(DATES, self.path("c.onnx"), calibrate=sets[:1], range="entropy")
        a, b, c = [open(self.path(n), "rb").read() for n in ("a.onnx", "b.onnx", "c.onnx")]
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)

    def test_options(self):
        with open(DATES, "rb") as f:
            model = f.read()
        found = fovea.quantize(model, self.path("a.onnx"), to=["int8", "int4"], search=True, budget=0.05, block=32,
                               zero_points=True, qdq=True, weights_only=True, skip="*/encoder.0/*",
                               chart=self.path("a.svg"), feeds=feeds(b"3 May 1979"), seed=3)
        kinds = {layer["type"] for layer in found["layers"]}
        self.assertTrue(kinds <= {"f32", "int8", "int4"} and "f32" in kinds, kinds)
        self.assertLessEqual(found["error"], 0.05)
        self.assertIn("svg", open(self.path("a.svg")).read())

    def test_reduced_range(self):
        found = [fovea.quantize(DATES, self.path(name), reduce_range=reduce, seed=3)
                 for name, reduce in (("a.onnx", False), ("b.onnx", True))]
        self.assertEqual(found[0]["bytes"], found[1]["bytes"])
        self.assertNotEqual(open(self.path("a.onnx"), "rb").read(), open(self.path("b.onnx"), "rb").read())

    def test_bad(self):
        out = self.path("a.onnx")
        self.refuses("FV_BAD_ARGUMENT", "int3", fovea.quantize, DATES, out, to="int3")
        self.refuses("FV_BAD_ARGUMENT", "expected texts", fovea.quantize, DATES, out, to=[8])
        self.refuses("FV_BAD_ARGUMENT", "calibrate is empty", fovea.quantize, DATES, out, calibrate=[])
        self.refuses("FV_BAD_ARGUMENT", "calibrate is 3", fovea.quantize, DATES, out, calibrate=3)
        self.refuses("FV_BAD_ARGUMENT", "expected a dict of names", fovea.quantize, DATES, out, calibrate=[[1]])
        self.refuses("FV_BAD_ARGUMENT", "is 1, expected a string", fovea.quantize, DATES, out, calibrate=[{1: 2}])
        self.refuses("FV_BAD_ARGUMENT", "cannot hold", fovea.quantize, DATES, out,
                     calibrate=[{"text": np.zeros(3, "M8[s]")}])
        self.refuses("FV_BAD_ARGUMENT", "zero byte", fovea.quantize, DATES, "a\0b")
        with self.assertRaises(fovea.FoveaError):
            fovea.quantize(DATES, out, calibrate=[{"q": np.zeros(3, np.int32)}, {}])
        with self.assertRaises(fovea.FoveaError):
            fovea.quantize(DATES, os.path.join(self.folder.name, "none/a.onnx"))
        with self.assertRaises(fovea.FoveaError):
            fovea.quantize(ADD, self.path("a.fvir"))
        self.assertEqual(os.listdir(self.folder.name), [])
