"""Switches between adapters (LoRA) of a GPT without compiling it again.

The low-rank matrices are inputs of the model, as tools for fine-tuning export them. Here the package onnx adds such inputs to
a model of the examples: scores of characters = h W + (h A) B."""
# %% a model with adapters: without one, A and B have no columns and no rows, and the scores are those of the base model
from pathlib import Path

import fovea
import numpy as np
import onnx
from onnx import TensorProto, helper

ALPHABET = "\n .ABCDHIMNSTabcdefghiklmnoprstuvwxy"
model = onnx.load(Path(__file__).parents[1] / "stories/stories.onnx")
head = model.graph.node[-1]
hidden, head.output[0] = head.input[0], "base_logits"
model.graph.node.extend([
    helper.make_node("MatMul", [hidden, "lora_A"], ["low"]),
    helper.make_node("MatMul", ["low", "lora_B"], ["change"]),
    helper.make_node("Add", ["base_logits", "change"], ["logits"]),
])
model.graph.input.extend([
    helper.make_tensor_value_info("lora_A", TensorProto.FLOAT, [48, "r"]),
    helper.make_tensor_value_info("lora_B", TensorProto.FLOAT, ["r", len(ALPHABET)]),
])
gpt = fovea.Decoder(model)


# %% two adapters, of ranks 1 and 2: they change the scores of some characters; fovea.Adapter(path) reads such a dict from a file
def adapter(changes):
    a = np.zeros((48, len(changes)), np.float32)
    b = np.zeros((len(changes), len(ALPHABET)), np.float32)
    for i, (feature, character, by) in enumerate(changes):
        a[feature, i] = 1
        b[i, ALPHABET.index(character)] = by
    return {"lora_A": a, "lora_B": b}


adapters = {
    "base": adapter([]),
    "first": adapter([(0, "e", 3)]),
    "second": adapter([(9, "w", -3), (7, "l", -2)]),
}
prompt = [ALPHABET.index(c) for c in "\nMax has a "]
for name, values in adapters.items():
    ids = fovea.generate(gpt, prompt, tokens=40, stop=[0], inputs=values)
    print("%-6s" % name, "".join(ALPHABET[i] for i in ids).rstrip("\n"))

# %% the same by hand: the adapter is part of the feeds of a run, and the decoder keeps the caches
for name, values in adapters.items():
    gpt.reset_states()
    logits = gpt(input_ids=np.array([prompt]), **values)
    print("%-6s" % name, "next:", repr(ALPHABET[logits[0].argmax()]))
