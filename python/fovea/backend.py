"""The interface onnx.backend. Needs the package onnx.

    import fovea.backend
    y, = fovea.backend.run_model(model, [x])
"""
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from .errors import FoveaError, bad_argument
from .session import Session


class FoveaRep(BackendRep):  # type: ignore[misc]
    """A model that was prepared."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def run(self, inputs: Any, **kwargs: Any) -> Tuple[Any, ...]:
        """Outputs, from a list of the inputs in order, a dict of them, or one array."""
        names = [v.name for v in self.session.get_inputs()]
        if not isinstance(inputs, dict):
            given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            if len(given) != len(names):
                raise bad_argument("%d inputs are given, the model has %d" % (len(given), len(names)))
            inputs = dict(zip(names, given))
        found = self.session.run(None, inputs)
        outputs = [v.name for v in self.session.get_outputs()]
        return tuple(namedtupledict("Outputs", outputs)(*found))


class FoveaBackend(Backend):  # type: ignore[misc]
    """onnx.backend, by Fovea."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Can the model be compiled?"""
        try:
            Session(model, level=0, backend="interp").close()
        except FoveaError:
            return False
        return bool(cls.supports_device(device))

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> FoveaRep:
        """Compiles the model; further arguments are those of Session."""
        if not cls.supports_device(device):
            raise bad_argument("device is %r, expected 'CPU'" % device)
        return FoveaRep(Session(model, **kwargs))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> Tuple[Any, ...]:
        """Compiles and runs the model."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU",
                 outputs_info: Optional[Sequence[Tuple[Any, Tuple[int, ...]]]] = None,
                 **kwargs: Any) -> Tuple[Any, ...]:
        """Runs one node as a model of its own. opset_version says of which opset it is."""
        opset = kwargs.pop("opset_version", None) or onnx.defs.onnx_opset_version()
        arrays = _in_order(node, inputs)
        model = _model_of(node, arrays, opset)
        return cls.run_model(model, [a for _, a in arrays], device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """The CPU alone."""
        return device.split(":")[0] == "CPU"


def _in_order(node: onnx.NodeProto, inputs: Any) -> List[Tuple[str, Any]]:
    """Names and arrays of the node's inputs, each once."""
    names = list(dict.fromkeys(name for name in node.input if name))
    if isinstance(inputs, dict):
        missing = [name for name in names if name not in inputs]
        if missing:
            raise bad_argument("no value for input '%s' of the node" % missing[0])
        return [(name, np.asarray(inputs[name])) for name in names]
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if len(given) != len(names):
        raise bad_argument("%d inputs are given, the node has %d" % (len(given), len(names)))
    return [(name, np.asarray(x)) for name, x in zip(names, given)]


def _model_of(node: onnx.NodeProto, arrays: List[Tuple[str, Any]], opset: int) -> onnx.ModelProto:
    """A model of the node alone. The compiler infers the types of outputs."""
    inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype)
                                            if hasattr(helper, "np_dtype_to_tensor_dtype")
                                            else onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[a.dtype], a.shape)
              for name, a in arrays]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], node.op_type or "node", inputs, outputs)
    opsets = [helper.make_opsetid("", opset)]
    if node.domain not in ("", "ai.onnx"):
        opsets.append(helper.make_opsetid(node.domain, 1))
    return helper.make_model(graph, opset_imports=opsets)


is_compatible = FoveaBackend.is_compatible
prepare = FoveaBackend.prepare
run_model = FoveaBackend.run_model
run_node = FoveaBackend.run_node
supports_device = FoveaBackend.supports_device
