"""Greedy decoding with GPT-2, whose caches the script passes on: it is written for ONNX Runtime.

usage: gpt2.py MODEL, a decoder with caches (input_ids, attention_mask, past_key_values.* -> logits, present.*)."""
import sys

import numpy as np
import onnxruntime as ort

session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
caches = [i for i in session.get_inputs() if i.name.startswith("past_key_values")]
names = [o.name for o in session.get_outputs()]
print(len(caches), "caches of shape", caches[0].shape)


def empty(batch):
    return {c.name: np.zeros((batch, c.shape[1], 0, c.shape[3]), dtype=np.float32) for c in caches}


ids = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], dtype=np.int64)
past, new = empty(len(ids)), ids
for _ in range(8):
    mask = np.ones((len(ids), ids.shape[1]), dtype=np.int64)
    outputs = dict(zip(names, session.run(None, {"input_ids": new, "attention_mask": mask, **past})))
    new = outputs["logits"][:, -1].argmax(axis=-1, keepdims=True)
    past = {c.name: outputs[c.name.replace("past_key_values", "present")] for c in caches}
    ids = np.concatenate([ids, new], axis=1)
for row in ids.tolist():
    print(row)
