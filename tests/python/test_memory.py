"""Models in memory: bytes and protos, with external data; messages of the library in logging."""
import gc
import logging
import os
import tempfile

import fovea
import numpy as np
from fovea import library
from graphs import ADD, Case

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError:
    onnx = None

W = np.arange(512, dtype=np.float32)
SIDE = b"""fovea-ir 1
module "side"
const @w: f32[512] = file "w.bin" 0 2048
func @main(%x: f32[1]) -> (%y) {
  %y = Add(%x, @w)
  return %y
}
"""


class External(Case):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = kept.name
        W.tofile(os.path.join(self.folder, "w.bin"))

    def test_text(self):
        for options in ({"backend": "interp"}, {}):
            for content in (SIDE, bytearray(SIDE), memoryview(SIDE)):
                s = fovea.Session(content, folder=self.folder, **options)
                np.testing.assert_array_equal(s(np.float32([2])), W + 2)
        self.refuses("FV_BAD_MODEL", "no folder with side files", fovea.Session, SIDE)
        with self.assertRaises(fovea.FoveaError):
            fovea.Session(SIDE, folder="/no/such/folder")

    def test_proto(self):
        if onnx is None:
            self.skipTest("the package onnx is not installed")
        w = numpy_helper.from_array(W, "w")
        graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g",
                                  [helper.make_tensor_value_info("x", 1, [1])],
                                  [helper.make_tensor_value_info("y", 1, [512])], [w])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        path = os.path.join(self.folder, "m.onnx")
        onnx.save_model(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
        model = onnx.load(path, load_external_data=False)
        os.remove(path)
        s = fovea.Session(model, folder=self.folder)
        np.testing.assert_array_equal(s(np.float32([2])), W + 2)
        self.assertEqual(s.name, "model")
        error = self.refuses("FV_BAD_MODEL", "a model in memory has no folder", fovea.Session, model)
        self.assertTrue(error.messages[0].startswith("model: "), error.messages)
        out = os.path.join(self.folder, "out.so")
        fovea.compile(model, out, folder=self.folder)
        np.testing.assert_array_equal(fovea.Session(out)(np.float32([3])), W + 3)
        self.refuses("FV_BAD_MODEL", "no folder", fovea.compile, model, out)

    def test_no_file_is_made(self):
        before = set(os.listdir(tempfile.gettempdir()))
        fds = len(os.listdir("/proc/self/fd"))
        fovea.Session(ADD, backend="interp").close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), fds)
        self.assertEqual({f for f in set(os.listdir(tempfile.gettempdir())) - before if f.startswith("fovea")}, set())

    def test_the_session_keeps_the_bytes(self):
        content = bytearray(SIDE)
        s = fovea.Session(content, folder=self.folder, backend="interp")
        content[:] = b"\0" * len(content)
        del content
        gc.collect()
        np.testing.assert_array_equal(s(np.float32([1])), W + 1)


class Messages(Case):
    ORDER = ["remove-dead", "legalise"]  # the library warns of it

    def test_warnings(self):
        with self.assertLogs("fovea", logging.WARNING) as caught:
            fovea.Session(ADD, passes=self.ORDER, backend="interp")
        self.assertEqual([r.levelno for r in caught.records], [logging.WARNING] * len(caught.records))
        self.assertIn("model: pass 'remove-dead' should run again after 'legalise'", caught.records[0].getMessage())

    def test_errors_are_raised(self):
        with self.assertLogs("fovea", logging.DEBUG) as caught:
            self.refuses("FV_BAD_MODEL", "n=99", fovea.Session, ADD, dims={"n": 99})
            logging.getLogger("fovea").info("last")
        self.assertEqual(caught.output, ["INFO:fovea:last"])

    def test_a_failed_run(self):
        s = fovea.Session(ADD, backend="interp")
        for _ in range(3):  # messages of one run are not those of the next
            error = self.refuses("FV_BAD_DIM", "'n' may be 0 to 8", s, np.ones((9, 2), np.float32), np.ones(2, np.float32))
            self.assertEqual(len(error.messages), 1)

    def test_a_log(self):
        lib = library.runtime()
        log = library.Log(lib)
        self.assertEqual(log.take(), [])
        lib.fv_artifact_run(None, None, None, None, log.handle)
        self.assertEqual(log.take(), [(2, "error: argument 'artifact' is NULL")])
        self.assertEqual(log.take(), [])
        self.assertEqual(lib.fv_log_text(log.handle), b"")
