"""Rewrites an ONNX model whose floats are f16 as one whose floats are bf16:

    bf16.py F16.onnx OUT.onnx

Types of inputs, outputs and tensors, and the types that casts name, become bf16; numbers are rounded to the nearest one."""
import argparse

import numpy as np
from onnx import AttributeProto, TensorProto, load, numpy_helper, save

F16, BF16 = TensorProto.FLOAT16, TensorProto.BFLOAT16


def narrow(tensor):
    if tensor.data_type != F16:
        return
    wide = np.ascontiguousarray(numpy_helper.to_array(tensor), np.float32).reshape(-1).view(np.uint32).astype(np.int64)
    half_to_even = 0x7FFF + (wide >> 16 & 1)
    is_nan = (wide & 0x7FFFFFFF) > 0x7F800000
    bits = np.where(is_nan, wide >> 16 | 0x40, wide + half_to_even >> 16).astype("<u2")
    tensor.ClearField("int32_data")
    tensor.raw_data, tensor.data_type = bits.tobytes(), BF16


def narrow_graph(graph):
    for tensor in graph.initializer:
        narrow(tensor)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == F16:
            value.type.tensor_type.elem_type = BF16
    for attribute in (a for node in graph.node for a in node.attribute):
        if attribute.name in ("to", "dtype") and attribute.i == F16:
            attribute.i = BF16
        if attribute.type == AttributeProto.TENSOR:
            narrow(attribute.t)
        for inner in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
            narrow_graph(inner)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    o = parser.parse_args()
    m = load(o.model)
    narrow_graph(m.graph)
    save(m, o.out)


if __name__ == "__main__":
    main()
