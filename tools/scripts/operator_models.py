"""Models of one operator each, for the operators that have kernels of their own: models.py writes them, and aims.txt compares each
with ONNX Runtime. Text is not among them, because ONNX Runtime has strings as objects and Fovea as bytes."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

ELEMS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64, np.dtype(np.bool_): TensorProto.BOOL}


def one(op, inputs, constants=(), outputs=(("y", TensorProto.FLOAT),), domain="", **attributes):
    """The model and its inputs; constants follow the inputs."""
    names = [*inputs, *(name for name, _ in constants)]
    node = helper.make_node(op, names, [name for name, _ in outputs], domain=domain, **attributes)
    graph = helper.make_graph(
        [node], op, [helper.make_tensor_value_info(n, ELEMS[v.dtype], v.shape) for n, v in inputs.items()],
        [helper.make_tensor_value_info(n, elem, None) for n, elem in outputs],
        [numpy_helper.from_array(v, n) for n, v in constants])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, producer_name="operators", opset_imports=opsets, ir_version=8), dict(inputs)


def integers(*names):
    return [(name, TensorProto.INT64) for name in names]


def rng():
    return np.random.default_rng(3)


def normal(*shape):
    return rng().standard_normal(shape).astype(np.float32)


# ---- tables of keys ----

def tfidf(rows, items, grams, skips=0):
    """As many n-grams of one item and of two, of 3000 words."""
    words, r = 3000, rng()
    pairs = np.stack([r.permutation(words)[np.arange(grams) % words], r.integers(0, words, grams)], 1)
    return one("TfIdfVectorizer", {"x": r.integers(0, words, (rows, items))}, mode="TF", min_gram_length=1, max_gram_length=2,
               max_skip_count=skips, ngram_counts=[0, grams], ngram_indexes=list(range(2 * grams)),
               pool_int64s=[*range(grams), *np.unique(pairs, axis=0)[:grams].flatten().tolist()])


def labels(keys, elements, elem):
    r = rng()
    key = r.permutation(keys) * 7
    name = "keys_int64s" if elem == np.int64 else "keys_floats"
    return one("LabelEncoder", {"x": key[r.integers(0, keys, elements)].astype(elem)}, domain="ai.onnx.ml",
               values_floats=r.random(keys).tolist(), **{name: key.astype(elem).tolist()})


def one_hot(categories, elements):
    return one("OneHotEncoder", {"x": rng().integers(0, categories, (elements, 1))}, domain="ai.onnx.ml",
               cats_int64s=list(range(categories)), zeros=1)


# ---- boxes and regions ----

def boxes(n, kinds, most):
    r = rng()
    center, size = r.random((1, n, 2)) * 640, r.uniform(8, 60, (1, n, 2))
    corners = np.concatenate([center - size / 2, center + size / 2], 2).astype(np.float32)
    constants = [("most", np.array([most])), ("overlap", np.array([0.45], np.float32)), ("least", np.array([0.25], np.float32))]
    return one("NonMaxSuppression", {"boxes": corners, "scores": r.random((1, kinds, n), np.float32)}, constants,
               integers("y"))


def regions(op, n, channels, height, width, first=None, **attributes):
    r = rng()
    center, size = r.random((n, 2)) * (width * 4, height * 4), r.uniform(10, 150, (n, 2))
    corners = [center - size / 2, center + size / 2]
    rois = np.concatenate(corners if first is None else [np.zeros((n, 1)), *corners], 1).astype(np.float32)
    inputs = {"x": normal(1, channels, height, width), "rois": rois}
    if first is None:
        inputs["which"] = np.zeros(n, np.int64)
    return one(op, inputs, spatial_scale=0.25, **attributes)


def roi_align(n, channels, ratio, mode="avg"):
    return regions("RoiAlign", n, channels, 50, 50, output_height=7, output_width=7, sampling_ratio=ratio, mode=mode)


def unpool(channels, size):
    at = np.arange(channels * size * size).reshape(1, channels, size, size)
    row, column = at // size, at % size
    return one("MaxUnpool", {"x": normal(1, channels, size, size), "at": row * 4 * size + column * 2 + rng().integers(0, 2, at.shape)},
               kernel_shape=[2, 2], strides=[2, 2])


def transposed(channels, size, taps, stride, pad):
    return one("ConvTranspose", {"x": normal(1, channels, size, size)}, [("w", normal(channels, 1, taps, taps))], group=channels,
               strides=[stride, stride], pads=[pad] * 4)


def cubic(channels, height, width, *to):
    constants = [("roi", np.zeros(0, np.float32)), ("scales", np.zeros(0, np.float32)), ("sizes", np.array([1, channels, *to]))]
    return one("Resize", {"x": normal(1, channels, height, width)}, constants, mode="cubic", antialias=1)


# ---- order, scatters, matrices, spectra ----

def scatter(rows, columns):
    r = rng()
    inputs = {"x": normal(rows, columns), "at": r.integers(0, rows, (rows, columns)), "updates": normal(rows, columns)}
    return one("ScatterElements", inputs, axis=0)


def scatter_nd(rows, columns):
    inputs = {"x": normal(rows, columns), "at": rng().permutation(rows)[:, None], "updates": normal(rows, columns)}
    return one("ScatterND", inputs)


OPERATORS = {
    "tfidf": lambda: tfidf(16, 200, 2000),
    "tfidf-skips": lambda: tfidf(8, 300, 500, 3),
    "labels": lambda: labels(5000, 5000, np.int64),
    "labels-many": lambda: labels(100000, 100000, np.int64),
    "labels-floats": lambda: labels(1000, 20000, np.float32),
    "one-hot": lambda: one_hot(500, 1000),
    "boxes-100": lambda: boxes(100, 1, 100),
    "boxes-100-kinds": lambda: boxes(100, 80, 20),
    "boxes-8400": lambda: boxes(8400, 1, 100),
    "roi-align": lambda: roi_align(60, 64, 2),
    "roi-align-own": lambda: roi_align(60, 64, 0),
    "roi-align-max": lambda: roi_align(60, 64, 2, "max"),
    "roi-pool": lambda: regions("MaxRoiPool", 60, 64, 50, 50, first=0, pooled_shape=[7, 7]),
    "unpool": lambda: unpool(64, 28),
    "transposed-depthwise": lambda: transposed(32, 56, 4, 2, 1),
    "resize-cubic": lambda: cubic(3, 480, 640, 224, 224),
    "scatter-elements": lambda: scatter(512, 256),
    "scatter-nd": lambda: scatter_nd(4096, 64),
    "top-k": lambda: one("TopK", {"x": normal(64, 5000)}, [("k", np.array([10]))], [("y", TensorProto.FLOAT), *integers("i")]),
    "unique": lambda: one("Unique", {"x": rng().integers(0, 1000, 20000)}, outputs=integers("y", "i", "j", "n")),
    "non-zero": lambda: one("NonZero", {"x": rng().random((256, 256)) < 0.3}, outputs=integers("y")),
    "determinants": lambda: one("Det", {"x": normal(100, 16, 16)}),
    "dft": lambda: one("DFT", {"x": normal(16, 1000, 1)}, axis=1),
}
