"""Writes the models of points that bench_models.py of the shared folder does not have.

    models.py NAME OUT.onnx [SEQ2SEQ.onnx] [--quant]

Beside OUT.onnx go the inputs of which random numbers would be no example: OUT.INPUT.npy. Numbers are random but fixed. The
third file is what `seq2seq-unrolled` is made of. --quant: an image network with activations of u8 and weights of s8."""
import argparse

import numpy as np
from onnx import TensorProto, helper, load, numpy_helper

from networks import NETWORKS
from operator_models import OPERATORS
from qdq import quantized

RATE, FRAME, HOP, BANDS = 16000, 400, 160, 80
FEATURES, TREES, DEPTH, CLASSES = 100, 500, 8, 10
BOXES, OBJECTS, KINDS = 1000, 50, 80


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def scalar(name, value, dtype):
    return numpy_helper.from_array(np.array(value, dtype), name)


def model(name, nodes, inputs, outputs, initializers=(), **domains):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 17), *[helper.make_opsetid(d.replace("_", "."), v) for d, v in domains.items()]]
    return helper.make_model(graph, producer_name="models", opset_imports=opsets, ir_version=8)


def value(name, elem, *dims):
    return helper.make_tensor_value_info(name, elem, dims)


# ---- decision trees of equal depth, as in gradient boosting ----

def trees(kind, count=TREES, depth=DEPTH):
    """Nodes are in the order of their depth: the children of node i are 2 i + 1 and 2 i + 2. Inputs are in [-1, 1]."""
    rng = np.random.default_rng(1)
    inner, leaves = 2**depth - 1, 2**depth
    nodes, total = inner + leaves, count * (inner + leaves)
    own = np.arange(nodes)
    is_leaf = own >= inner
    every = lambda row: np.tile(row, count).tolist()
    leaf_trees, leaf_nodes = np.repeat(np.arange(count), leaves), np.tile(np.arange(inner, nodes), count)
    weights = (rng.standard_normal(count * leaves) * 0.1).astype(np.float32).tolist()
    of_leaf = (lambda values: np.where(np.tile(is_leaf, count), 0, values))
    tables = dict(
        nodes_treeids=np.repeat(np.arange(count), nodes).tolist(), nodes_nodeids=every(own),
        nodes_featureids=of_leaf(rng.integers(0, FEATURES, total)).tolist(),
        nodes_values=of_leaf(rng.uniform(-0.9, 0.9, total)).astype(np.float32).tolist(),
        nodes_modes=every(np.where(is_leaf, "LEAF", "BRANCH_LEQ")), nodes_hitrates=[1.0] * total,
        nodes_truenodeids=every(np.where(is_leaf, 0, 2 * own + 1)), nodes_falsenodeids=every(np.where(is_leaf, 0, 2 * own + 2)),
        nodes_missing_value_tracks_true=[0] * total)
    x = value("X", TensorProto.FLOAT, "rows", FEATURES)
    if kind == "regressor":
        node = helper.make_node(
            "TreeEnsembleRegressor", ["X"], ["Y"], "trees", domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
            post_transform="NONE", base_values=[0.5], target_treeids=leaf_trees.tolist(), target_nodeids=leaf_nodes.tolist(),
            target_ids=[0] * len(weights), target_weights=weights, **tables)
        outputs = [value("Y", TensorProto.FLOAT, "rows", 1)]
    else:
        node = helper.make_node(
            "TreeEnsembleClassifier", ["X"], ["label", "scores"], "trees", domain="ai.onnx.ml", post_transform="SOFTMAX",
            classlabels_int64s=list(range(CLASSES)), class_treeids=leaf_trees.tolist(), class_nodeids=leaf_nodes.tolist(),
            class_ids=(leaf_trees % CLASSES).tolist(), class_weights=weights, **tables)
        outputs = [value("label", TensorProto.INT64, "rows"), value("scores", TensorProto.FLOAT, "rows", CLASSES)]
    return model(kind, [node], [x], outputs, ai_onnx_ml=3), {}


# ---- the logarithm of a mel spectrum ----

def mel():
    node = helper.make_node
    constants = [scalar("hop", HOP, np.int64), scalar("frame", FRAME, np.int64), scalar("bands", BANDS, np.int64),
                 scalar("rate", RATE, np.int64), scalar("lowest", 0, np.float32), scalar("highest", RATE / 2, np.float32),
                 scalar("least", 1e-10, np.float32), scalar("re", 0, np.int64), scalar("im", 1, np.int64)]
    nodes = [node("HannWindow", ["frame"], ["window"]),
             node("STFT", ["signal", "hop", "window", "frame"], ["spectrum"], onesided=1),
             node("Gather", ["spectrum", "re"], ["real"], axis=-1), node("Gather", ["spectrum", "im"], ["imaginary"], axis=-1),
             node("Mul", ["real", "real"], ["real2"]), node("Mul", ["imaginary", "imaginary"], ["imaginary2"]),
             node("Add", ["real2", "imaginary2"], ["power"]),
             node("MelWeightMatrix", ["bands", "frame", "rate", "lowest", "highest"], ["triangles"]),
             node("MatMul", ["power", "triangles"], ["mel"]),
             node("Max", ["mel", "least"], ["audible"]), node("Log", ["audible"], ["log_mel"])]
    return model("mel", nodes, [value("signal", TensorProto.FLOAT, 1, "samples", 1)],
                 [value("log_mel", TensorProto.FLOAT, 1, "frames", BANDS)], constants), {}


# ---- non-maximum suppression after an object detector ----

def detections(dense):
    """Boxes around some objects, with a high score in the class of their object and low ones in others; dense: high in each class."""
    rng = np.random.default_rng(2)
    object_of = rng.integers(0, OBJECTS, BOXES)
    centers, sizes = rng.uniform(0, 640, (OBJECTS, 2)), rng.uniform(20, 200, (OBJECTS, 2))
    center = centers[object_of] + 0.15 * sizes[object_of] * rng.standard_normal((BOXES, 2))
    half = sizes[object_of] / 2 * np.exp(0.15 * rng.standard_normal((BOXES, 2)))
    boxes = np.concatenate([center - half, center + half], axis=1).astype(np.float32)[None]
    kind_of = rng.integers(0, KINDS, OBJECTS)[object_of]
    scores = rng.uniform(0, 1, (KINDS, BOXES)) if dense else rng.uniform(0, 1, (KINDS, BOXES)) ** 8
    scores[kind_of, np.arange(BOXES)] = rng.uniform(0.3, 1, BOXES)
    constants = [scalar("most", 100, np.int64), scalar("overlap", 0.5, np.float32), scalar("threshold", 0.25, np.float32)]
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "threshold"], ["selected"])
    return model("detections", [node], [value("boxes", TensorProto.FLOAT, 1, "n", 4), value("scores", TensorProto.FLOAT, 1, KINDS, "n")],
                 [value("selected", TensorProto.INT64, "found", 3)], constants), \
        {"boxes": boxes, "scores": scores.astype(np.float32)[None]}


# ---- a Loop replaced by its iterations ----

def constants_of(graph):
    found = {t.name: t for t in graph.initializer}
    found.update({n.output[0]: a.t for n in graph.node if n.op_type == "Constant" for a in n.attribute if a.name == "value"})
    return found


def unroll(graph, at):
    """Replaces node `at`, a Loop with a constant number of iterations, by copies of its body. The conditions that iterations return are
    ignored, so all must be true; nodes that only compute them are left out."""
    loop = graph.node[at]
    body = next(a.g for a in loop.attribute if a.name == "body")
    turns = int(numpy_helper.to_array(constants_of(graph)[loop.input[0]]).reshape(()))
    carried = len(loop.input) - 2
    params, results = [p.name for p in body.input], [r.name for r in body.output]
    graph.initializer.extend(body.initializer)
    state, scanned, nodes = list(loop.input[2:]), [[] for _ in results[1 + carried:]], []
    for i in range(turns):
        index = scalar(f"{loop.name or loop.output[0]}.{params[0]}.{i}", i, np.int64)
        graph.initializer.append(index)
        known = {params[0]: index.name, params[1]: loop.input[1], **dict(zip(params[2:], state))}
        for node in body.node:
            if any(a.HasField("g") for a in node.attribute):
                raise SystemExit("a loop with regions in its body is not unrolled")
            copy = type(node)()
            copy.CopyFrom(node)
            copy.name = f"{node.name}.{i}"
            for k, name in enumerate(copy.input):
                copy.input[k] = known.get(name, name)
            for k, name in enumerate(node.output):
                copy.output[k] = known[name] = f"{name}.{i}" if name else name
            nodes.append(copy)
        state = [known.get(name, name) for name in results[1 : 1 + carried]]
        for k, name in enumerate(results[1 + carried:]):
            piece = f"{loop.output[carried + k]}.{i}"
            nodes.append(helper.make_node("Unsqueeze", [known.get(name, name), "first_axis"], [piece], piece))
            scanned[k].append(piece)
    nodes += [helper.make_node("Identity", [s], [o], o) for s, o in zip(state, loop.output) if o]
    nodes += [helper.make_node("Concat", pieces, [o], o, axis=0) for pieces, o in zip(scanned, loop.output[carried:]) if o]
    rest = [*graph.node[:at], *nodes, *graph.node[at + 1 :]]
    del graph.node[:]
    graph.node.extend(rest)


def unrolled(path):
    m = load(path)
    loops = [i for i, n in enumerate(m.graph.node) if n.op_type == "Loop"]
    m.graph.initializer.append(ints("first_axis", 0))
    for i in reversed(loops):
        unroll(m.graph, i)
    return m, {}


# ---- a decoder as exporters for ONNX Runtime write it ----

def llama_gqa(layers=16, width=1024, heads=16, kv_heads=4, inner=2816, vocab=32000, positions=8192):
    """The llama-past of bench_models.py with GroupQueryAttention, which rotates queries, keys and values from one product. Its cache
    has the size `room` from the beginning, so that outputs may be stored in the memory of inputs."""
    rng = np.random.default_rng(1)
    head, kv = width // heads, kv_heads * (width // heads)
    nodes, tensors, node = [], [], helper.make_node

    def weight(name, *shape):
        x = rng.standard_normal(shape, np.float32) * np.float32(shape[0] ** -0.5)
        tensors.append(numpy_helper.from_array(x, name))
        return name

    def product(x, name, fan_in, fan_out):
        nodes.append(node("MatMul", [x, weight(name + ".weight", fan_in, fan_out)], [name], name))
        return name

    def norm(name, x, skip):
        tensors.append(numpy_helper.from_array(np.ones(width, np.float32), name + ".weight"))
        own = {"epsilon": 1e-5}
        if skip is None:
            nodes.append(node("SimplifiedLayerNormalization", [x, name + ".weight"], [name], name, axis=-1, **own))
            return name, x
        nodes.append(node("SkipSimplifiedLayerNormalization", [x, skip, name + ".weight"], [name, "", "", name + ".sum"], name,
                          domain="com.microsoft", **own))
        return name, name + ".sum"

    angles = np.outer(np.arange(positions), 10000.0 ** -(np.arange(0, head, 2) / head))
    tensors += [numpy_helper.from_array(np.cos(angles).astype(np.float32), "cos"),
                numpy_helper.from_array(np.sin(angles).astype(np.float32), "sin"),
                numpy_helper.from_array(rng.standard_normal((vocab, width), np.float32), "embed.weight"),
                ints("last", 1), ints("one", 1), scalar("second", 1, np.int64)]
    nodes += [node("ReduceSum", ["attention_mask", "last"], ["kept"], keepdims=0), node("Sub", ["kept", "one"], ["before"]),
              node("Cast", ["before"], ["seqlens_k"], to=TensorProto.INT32),
              node("Shape", ["attention_mask"], ["shape"]), node("Gather", ["shape", "second"], ["length"], axis=0),
              node("Cast", ["length"], ["total_sequence_length"], to=TensorProto.INT32),
              node("Gather", ["embed.weight", "input_ids"], ["embed"])]
    inputs = [value("input_ids", TensorProto.INT64, "batch", "seq"), value("attention_mask", TensorProto.INT64, "batch", "total")]
    outputs = [value("logits", TensorProto.FLOAT, "batch", "seq", vocab)]
    x, skip = "embed", None
    for i in range(layers):
        at = f"layers.{i}."
        past, present = ([f"{which}.{i}.{what}" for what in ("key", "value")] for which in ("past_key_values", "present"))
        inputs += [value(name, TensorProto.FLOAT, "batch", kv_heads, "room", head) for name in past]
        outputs += [value(name, TensorProto.FLOAT, "batch", kv_heads, "room", head) for name in present]
        y, x = norm(at + "input_norm", x, skip)
        qkv = product(y, at + "qkv_proj", width, width + 2 * kv)
        nodes.append(node("GroupQueryAttention", [qkv, "", "", *past, "seqlens_k", "total_sequence_length", "cos", "sin"],
                          [at + "attention", *present], at + "attention", domain="com.microsoft", num_heads=heads,
                          kv_num_heads=kv_heads, do_rotary=1))
        y, x = norm(at + "post_norm", x, product(at + "attention", at + "o_proj", width, width))
        gate, up = product(y, at + "gate_proj", width, inner), product(y, at + "up_proj", width, inner)
        nodes += [node("Sigmoid", [gate], [at + "sigmoid"]), node("Mul", [gate, at + "sigmoid"], [at + "silu"]),
                  node("Mul", [at + "silu", up], [at + "gated"])]
        skip = product(at + "gated", at + "down_proj", inner, width)
    y, x = norm("norm", x, skip)
    nodes.append(node("MatMul", [y, weight("lm_head.weight", width, vocab)], ["logits"], "lm_head"))
    return model("llama", nodes, inputs, outputs, tensors, com_microsoft=1), {}


# ---- all ----

MODELS = {
    "llama-gqa": llama_gqa,
    "trees": lambda: trees("regressor"),
    "trees-classes": lambda: trees("classifier"),
    "mel": mel,
    "detections": lambda: detections(False),
    "detections-dense": lambda: detections(True),
    **NETWORKS,
    **OPERATORS,
}
IMAGE_NETWORKS = ["resnet50", "mobilenetv2", "dscnn"]
MADE_OF = {"seq2seq-unrolled": ("seq2seq", unrolled)}  # of a model of bench_models.py


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("name", choices=[*MODELS, *MADE_OF])
    a.add_argument("out")
    a.add_argument("source", nargs="?")
    a.add_argument("--quant", action="store_true")
    o = a.parse_args()
    if o.quant and o.name not in IMAGE_NETWORKS:
        a.error(f"--quant is for {', '.join(IMAGE_NETWORKS)}")
    if (o.source is None) != (o.name not in MADE_OF):
        a.error(f"{o.name} is made of {'another model: say which' if o.name in MADE_OF else 'no other model'}")
    made, inputs = MADE_OF[o.name][1](o.source) if o.name in MADE_OF else MODELS[o.name]()
    made = quantized(made) if o.quant else made
    for name, array in inputs.items():
        np.save(o.out.removesuffix(".onnx") + f".{name}.npy", array)
    with open(o.out, "wb") as f:
        f.write(made.SerializeToString())


if __name__ == "__main__":
    main()
