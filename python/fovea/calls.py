"""Runs of models whose inputs and outputs are tensors with known sizes: the arguments are kept from
run to run, so a run with the shapes of the one before only sets addresses."""
from ctypes import addressof, c_char
from typing import Any, List, Optional, Tuple

import numpy as np

from .ports import Port

_of_buffer = c_char.from_buffer
_IN_C = 0x101  # of an array's flags: C-contiguous and aligned


def address(array: Any) -> int:
    """The address of an array's first element. A buffer tells it in a third of the time that
    array.ctypes.data takes, but only for arrays that can be written and have elements."""
    try:
        return addressof(_of_buffer(array))
    except (TypeError, ValueError):
        return int(array.ctypes.data)


def is_plain(ports: List[Port]) -> bool:
    """Can a Call bind these ports?"""
    return not any(p.state_of or p.in_place or p.depends_on_data or p.type.bits < 8 for p in ports)


class Call:
    """The arguments of a run.

    inputs, outputs  the addresses of its fv_arrays
    """

    __slots__ = ("inputs", "outputs", "_arrays", "_ins", "_outs", "_in_ports", "_out_ports", "_shapes", "_results", "_library")

    def __init__(self, inputs: Any, outputs: Any, in_ports: List[Port], out_ports: List[Port], library: Any) -> None:
        self.inputs, self.outputs = addressof(inputs), addressof(outputs)
        self._arrays, self._library = (inputs, outputs), library
        self._in_ports, self._out_ports = in_ports, out_ports
        self._ins = [inputs[i] for i in range(len(in_ports))]
        self._outs = [outputs[i] for i in range(len(out_ports))]
        self._shapes: Optional[List[Tuple[int, ...]]] = None  # of the inputs of the last run
        self._results: List[Tuple[Any, Any]] = []  # shapes and dtypes of its outputs

    def bind(self, values: List[Any]) -> Tuple[List[Any], Optional[List[Any]]]:
        """Sets the inputs to these values, one for each port. Returns the arrays that must live
        until the run is done, and the results, or None if the run has to allocate them."""
        arrays = []
        for port, x in zip(self._in_ports, values):
            if type(x) is not np.ndarray or x.dtype != port.type.dtype or x.flags.num & _IN_C != _IN_C:
                x = port.convert(x, port.name)
            arrays.append(x)
        shapes = [x.shape for x in arrays]
        if shapes != self._shapes:
            self._shapes = None
            for port, slot, x in zip(self._in_ports, self._ins, arrays):
                port.fill(slot, x, [])
            for slot in self._outs:
                slot.data = None
            return arrays, None
        for slot, x in zip(self._ins, arrays):
            slot.data = address(x)
        results = [np.empty(shape, dtype) for shape, dtype in self._results]
        for slot, y in zip(self._outs, results):
            slot.data = address(y)
        return arrays, results

    def finish(self, arrays: List[Any], results: Optional[List[Any]]) -> List[Any]:
        """The results of a run that succeeded."""
        if results is None:
            results = [p.result(slot, self._library) for p, slot in zip(self._out_ports, self._outs)]
            self._shapes = [x.shape for x in arrays]
            self._results = [(y.shape, y.dtype) for y in results]
        return results

    def forget(self) -> None:
        """After a run that failed."""
        self._shapes = None
