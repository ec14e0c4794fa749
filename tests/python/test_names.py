"""The names of ONNX Runtime: the table of docs/python.md, and what they do."""
import os
import re
import threading

import fovea
import numpy as np
from graphs import ADD, ROOT, Case

X, Z = np.ones((3, 2), np.float32), np.float32([1, 2])


def table():
    """The names by what the table says of them."""
    with open(os.path.join(ROOT, "docs/python.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| (works|warns|absent) \| (.*) \|$", f.read(), re.MULTILINE)
    return {kind: re.findall(r"`(\w+)`", names) for kind, names in rows}


class Names(Case):
    def test_table(self):
        found = table()
        self.assertEqual(sorted(found), ["absent", "warns", "works"])
        for kind, names in found.items():
            for name in names:
                self.assertEqual(hasattr(fovea, name), kind != "absent", name)
        known = {name for names in found.values() for name in names}
        self.assertEqual(set(dir(fovea.compat)) & set(fovea.__all__) - known, {"Adapter", "Session"})

    def test_those_that_warn(self):
        for name in table()["warns"]:
            with self.assertLogs("fovea", "WARNING"):
                getattr(fovea, name)(*([1] if name.startswith("set") else []))

    def test_options_warn(self):
        o = fovea.SessionOptions()
        with self.assertNoLogs("fovea", "WARNING") if hasattr(self, "assertNoLogs") else self.subTest():
            fovea.InferenceSession(ADD, o, providers=["CPUExecutionProvider"])
        o.enable_profiling, o.execution_mode, o.unknown = True, fovea.ExecutionMode.ORT_PARALLEL, 1
        with self.assertLogs("fovea", "WARNING") as logs:
            s = fovea.InferenceSession(ADD, o, providers=["NoSuchProvider"])
            self.assertEqual(s.end_profiling(), "")
        for word in ("enable_profiling", "execution_mode", "unknown", "NoSuchProvider", "no profile"):
            self.assertIn(word, "\n".join(logs.output))
        r = fovea.RunOptions()
        r.log_severity_level = 1
        with self.assertLogs("fovea", "WARNING"):
            s.run(None, {"x": X, "z": Z}, r)

    def test_values_and_bindings(self):
        s = fovea.InferenceSession(ADD)
        x = fovea.OrtValue.ortvalue_from_numpy(X)
        self.assertEqual((x.shape(), x.data_type(), x.element_type(), x.device_name()), ([3, 2], "tensor(float)", 1, "cpu"))
        y, = s.run_with_ort_values(None, {"x": x, "z": fovea.OrtValue.ortvalue_from_numpy(Z)})
        np.testing.assert_array_equal(y.numpy(), X + Z)
        into = fovea.OrtValue.ortvalue_from_shape_and_type([3, 2], np.float32)
        b = s.io_binding()
        b.bind_cpu_input("z", Z)
        b.bind_input("x", "cpu", 0, np.float32, X.shape, X.ctypes.data)
        b.bind_ortvalue_output("y", into)
        s.run_with_iobinding(b)
        np.testing.assert_array_equal(into.numpy(), X + Z)
        np.testing.assert_array_equal(b.copy_outputs_to_cpu()[0], X + Z)
        self.refuses("FV_BAD_ARGUMENT", "expected 'cpu'", b.bind_output, "y", "cuda")

    def test_another_thread(self):
        s, found, done = fovea.InferenceSession(ADD), [], threading.Event()

        def back(results, user, error):
            found.append((results, user, error))
            done.set()

        for feed in ({"x": X, "z": Z}, {"x": X}):
            done.clear()
            s.run_async(None, feed, back, 7)
            done.wait(60)
        np.testing.assert_array_equal(found[0][0][0], X + Z)
        self.assertEqual((found[0][1:], found[1][0]), ((7, ""), []))
        self.assertIn("'z'", found[1][2])

    def test_metadata(self):
        m = fovea.InferenceSession(ADD).get_modelmeta()
        self.assertEqual((m.graph_name, m.producer_name, m.custom_metadata_map, m.version), ("add", "", {}, 0))
        try:
            from onnx import helper
        except ImportError:
            return
        graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [helper.make_tensor_value_info("x", 1, [1])],
                                  [helper.make_tensor_value_info("y", 1, [1])], doc_string="of the graph")
        model = helper.make_model(graph, producer_name="p", domain="d", doc_string="of the model", model_version=-3)
        helper.set_model_props(model, {"names": "{0: 'a'}"})
        m = fovea.InferenceSession(model.SerializeToString()).get_modelmeta()
        self.assertEqual(
            (m.graph_name, m.graph_description, m.producer_name, m.domain, m.description, m.version, m.custom_metadata_map),
            ("g", "of the graph", "p", "d", "of the model", -3, {"names": "{0: 'a'}"}))
