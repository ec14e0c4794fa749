"""Strings, sequences and maps as values of Python: a classifier that returns a probability for each label by its name, and a
model that splits texts."""
# %% scikit-learn's exporter ends classifiers with such operators; here the package onnx makes the model
import fovea
import numpy as np
from onnx import TensorProto, TypeProto, helper


def map_type():
    """Of a map from strings to numbers of f32."""
    t = TypeProto()
    t.map_type.key_type = TensorProto.STRING
    t.map_type.value_type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    return t


weights = np.float32([[1, 0, -1], [0, 1, 1]])
graph = helper.make_graph(
    [helper.make_node("LinearClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
                      coefficients=weights.T.ravel().tolist(), intercepts=[0.0, 0.1, -0.1],
                      classlabels_strings=["ham", "spam", "news"], post_transform="SOFTMAX", multi_class=1),
     helper.make_node("ZipMap", ["scores"], ["probabilities"], domain="ai.onnx.ml",
                      classlabels_strings=["ham", "spam", "news"])],
    "classifier",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
    [helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]),
     helper.make_value_info("probabilities", helper.make_sequence_type_proto(map_type()))])
opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]
classifier = fovea.Session(helper.make_model(graph, opset_imports=opsets))
print(classifier.get_outputs())
labels, probabilities = classifier.run(None, {"x": [[2, 0], [-1, 1], [0.5, 3]]})
print(labels)
for p in probabilities:
    print({k: round(v, 3) for k, v in p.items()})

# %% strings in, a dict of counts by word: DictVectorizer takes a map
graph = helper.make_graph(
    [helper.make_node("DictVectorizer", ["words"], ["counts"], domain="ai.onnx.ml",
                      string_vocabulary=["free", "meeting", "prize"])],
    "vectorizer",
    [helper.make_value_info("words", map_type())],
    [helper.make_tensor_value_info("counts", TensorProto.FLOAT, [1, 3])])
vectorizer = fovea.Session(helper.make_model(graph, opset_imports=opsets))
print(vectorizer({"prize": 2.0, "free": 1.0, "unknown": 5.0}))

# %% a sequence of tensors of several lengths in, a sequence out; texts are str
graph = helper.make_graph(
    [helper.make_node("SequenceAt", ["texts", "first"], ["text"]),
     helper.make_node("StringNormalizer", ["text"], ["lower"], case_change_action="LOWER", stopwords=["the"]),
     helper.make_node("SequenceInsert", ["texts", "lower"], ["more"])],
    "texts",
    [helper.make_value_info("texts", helper.make_sequence_type_proto(
        helper.make_tensor_type_proto(TensorProto.STRING, ["length"])))],
    [helper.make_value_info("more", helper.make_sequence_type_proto(
        helper.make_tensor_type_proto(TensorProto.STRING, None)))],
    [helper.make_tensor("first", TensorProto.INT64, [], [0])])
texts = fovea.Session(helper.make_model(graph, opset_imports=opsets))
print([t.tolist() for t in texts([["The", "CAT", "the"], ["über"]])])
