"""Answers a question with BERT: the script is written for ONNX Runtime.

usage: bert.py MODEL, a model of questions about a text (input_ids, attention_mask, token_type_ids -> start, end)."""
import sys

import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
session = ort.InferenceSession(sys.argv[1], sess_options=options, providers=["CPUExecutionProvider"])
for port in session.get_inputs():
    print(port.name, port.type, port.shape)

length = session.get_inputs()[0].shape[1]
question, text = [1, 17, 23, 9, 2], [31, 8, 44, 12, 5, 27, 2]
used = len(question) + len(text)
feeds = {
    "input_ids": np.array([question + text + [0] * (length - used)], dtype=np.int64),
    "attention_mask": np.array([[1] * used + [0] * (length - used)], dtype=np.int64),
    "token_type_ids": np.array([[0] * len(question) + [1] * len(text) + [0] * (length - used)], dtype=np.int64),
}
start, end = session.run(["start", "end"], feeds)
scores = np.triu(start[0, :used, None] + end[0, None, :used])[len(question):, len(question):]
first, last = np.unravel_index(scores.argmax(), scores.shape)
print("answer: ids", text[first:last + 1])
