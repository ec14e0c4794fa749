"""Catches errors: what is wrong with a feed, and which node of a model an error is about."""
# %% names, dtypes, shapes
from pathlib import Path

import fovea
import numpy as np
from onnx import TensorProto, helper

dates = fovea.Session(Path(__file__).parents[1] / "dates/dates.onnx")
good = np.zeros((1, 40), np.int32)
for feeds in ({}, {"txt": good}, {"text": good.astype(np.int64)}, {"text": good[:, :39]}, {"text": good[0]},
              {"text": "3 May 1979"}):
    try:
        dates.run(None, feeds)
    except fovea.FoveaError as e:
        print(e)

# %% a model that cannot be compiled: the error names the node
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["h"], name="/encoder/dense"), helper.make_node("Relu", ["h"], ["y"])],
    "dense",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    [helper.make_tensor("w", TensorProto.FLOAT, [5, 3], [0.0] * 15)])
try:
    fovea.Session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
except fovea.FoveaError as e:
    print(e.status, "node:", e.node)
    print(e.messages[0])

# %% data that a run finds wrong: an id that is outside of a table
graph = helper.make_graph(
    [helper.make_node("Gather", ["table", "ids"], ["y"], name="/embed/words")],
    "embed",
    [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
    [helper.make_tensor("table", TensorProto.FLOAT, [10, 2], [0.0] * 20)])
embed = fovea.Session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
try:
    embed([3, 10])
except fovea.FoveaError as e:
    print(e.status, "node:", e.node)
    print(e.messages[0])

# %% a path that does not exist, and a file that is no model
for model in ("nothing.onnx", __file__, b"no model"):
    try:
        fovea.Session(model)
    except fovea.FoveaError as e:
        print(e.status, e.messages[0].replace(__file__, "wrong_feeds.py"))
