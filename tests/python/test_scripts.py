"""Scripts as they are written for ONNX Runtime, of which only the import differs."""
import os
import unittest

import fovea as onnxruntime
import numpy as np
from graphs import ROOT, SHARED, Case, needs_shared

try:
    from onnx import load_tensor, numpy_helper
except ImportError:
    raise unittest.SkipTest("the package onnx is not installed") from None


def data_of(model, number):
    """Path of the model; the inputs and outputs of a data set, in order."""
    folder = os.path.join(SHARED, "models", model)
    sets = os.path.join(folder, "test_data_set_%d" % number)

    def read(kind):
        names = sorted((f for f in os.listdir(sets) if f.startswith(kind)), key=lambda f: int(f.split("_")[1][:-3]))
        return [numpy_helper.to_array(load_tensor(os.path.join(sets, f))) for f in names]
    return os.path.join(folder, "model.onnx"), read("input_"), read("output_")


@needs_shared
class Scripts(Case):
    def test_bert(self):
        for number in (0, 1):
            path, arrays, wanted = data_of("enc_bert_base_like", number)
            # ---- the script ----
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            session = onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
            feeds = {i.name: a for i, a in zip(session.get_inputs(), arrays)}
            hidden, pooled = session.run(None, feeds)
            only = session.run([session.get_outputs()[1].name], feeds)[0]
            # --------------------
            np.testing.assert_allclose(hidden, wanted[0], atol=1e-4)
            np.testing.assert_allclose(pooled, wanted[1], atol=1e-4)
            np.testing.assert_array_equal(only, pooled)

    def greedy(self, session, ids, steps):
        """The tokens of a decoder with caches, which are passed on from run to run."""
        caches = [i for i in session.get_inputs() if i.name.startswith("past")]
        outputs = [o.name for o in session.get_outputs()]
        feeds = {c.name: np.zeros((1, c.shape[1], 0, c.shape[3]), np.float32) for c in caches}
        tokens = list(ids)
        new = np.array([ids], np.int64)
        for _ in range(steps):
            found = dict(zip(outputs, session.run(None, {
                "input_ids": new, "attention_mask": np.ones((1, len(tokens)), np.int64), **feeds})))
            tokens.append(int(found["logits"][0, -1].argmax()))
            new = np.array([tokens[-1:]], np.int64)
            feeds = {c.name: found[c.name.replace("past_key_values", "present")] for c in caches}
        return tokens

    def test_gpt2_with_caches(self):
        path, arrays, wanted = data_of("dec_gpt2_past", 0)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = session.run(None, {i.name: a for i, a in zip(session.get_inputs(), arrays)})
        for got, want in zip(found, wanted):
            np.testing.assert_allclose(got, want, atol=1e-4)
        tokens = self.greedy(session, [3, 1, 4], 6)
        states = {"past_key_values.*": "present.*:32"}  # the same, with caches that the session keeps
        kept = onnxruntime.Session(path, states=states, dims={"batch": 1})
        self.assertEqual([i.name for i in kept.get_inputs()], ["input_ids", "attention_mask"])
        again = [3, 1, 4]
        new = again
        for _ in range(6):
            logits = kept(np.array([new], np.int64), np.ones((1, len(again)), np.int64))
            new = [int(logits[0, -1].argmax())]
            again = again + new
        self.assertEqual(again, tokens)

    def test_images(self):
        path, arrays, wanted = data_of("vis_mobilenetv3_hswish_se", 0)
        session = onnxruntime.InferenceSession(path)
        image = session.get_inputs()[0]
        self.assertEqual(image.type, "tensor(float)")
        logits = session.run([session.get_outputs()[0].name], {image.name: arrays[0]})[0]
        np.testing.assert_allclose(logits, wanted[0], atol=1e-4)
        channels_last = np.ascontiguousarray(arrays[0].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(session.run(None, {image.name: channels_last})[0], logits)


class Names(Case):
    def test_what_has_no_meaning_is_logged(self):
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 3
        options.add_session_config_entry("session.some", "1")
        options.add_free_dimension_override_by_name("batch", 1)
        with self.assertLogs("fovea", "INFO") as logs:
            self.refuses("FV_BAD_MODEL", "no dim 'batch'", onnxruntime.InferenceSession,
                         os.path.join(ROOT, "examples/dates/dates.onnx"), options, ["Cuda", ("Tensorrt", {})], [{"a": 1}, {}])
        said = "\n".join(logs.output)
        for word in ("'Cuda'", "Tensorrt", "provider_options", "'inter_op_num_threads'", "'session.some'"):
            self.assertIn(word, said)
        self.assertEqual(onnxruntime.get_available_providers(), ["CPUExecutionProvider"])
        self.refuses("FV_BAD_ARGUMENT", "cannot be loaded", options.register_custom_ops_library, "ops.so")
