"""States: outputs of a model that are inputs of its next run, kept between the runs of a session."""
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from .errors import bad_argument
from .library import Array
from .ports import Port


class State:
    """One state. `array` is what the next run reads; None before the first run. Of a state with a
    capacity it is the memory that all runs share, of which the first `dims` are valid."""

    def __init__(self, into: Port, out: Port) -> None:
        self.into, self.out = into, out
        self.array: Any = None
        self.dims: Tuple[int, ...] = ()

    @property
    def axis(self) -> Optional[int]:
        """The axis of its capacity, if it is updated in place."""
        return self.into.in_place - 1 if self.into.in_place else None

    def set(self, array: Any, symbols: Mapping[str, int]) -> None:
        """Takes the values of this array, which has been converted for the port."""
        if self.axis is None:
            self.array, self.dims = array, array.shape
            return
        if array.ndim != self.into.rank:
            raise bad_argument("input '%s' has rank %d, expected %s" % (self.into.name, array.ndim, self.into.text()))
        shape = list(array.shape)
        shape[self.axis] = self._capacity(symbols)
        if array.shape[self.axis] > shape[self.axis]:
            raise bad_argument("input '%s' has %d on axis %d, its capacity is %d" % (
                self.into.name, array.shape[self.axis], self.axis, shape[self.axis]))
        self.array, self.dims = np.zeros(shape, array.dtype), array.shape
        self.valid()[...] = array

    def _capacity(self, symbols: Mapping[str, int]) -> int:
        capacity = self.into.capacity
        if isinstance(capacity, str) and capacity not in symbols:
            raise bad_argument("the capacity of state '%s' is '%s': give that dim a number by dims"
                               % (self.into.name, capacity))
        return symbols[capacity] if isinstance(capacity, str) else capacity

    def begin(self, symbols: Mapping[str, int], lowest: Mapping[str, int]) -> None:
        """Zeros; along an axis whose size nothing else determines, none of them."""
        dims: List[int] = []
        for k, dim in enumerate(self.into.dims):
            if k == self.axis and dim == self.into.capacity:
                dims.append(self._capacity(symbols))
            elif isinstance(dim, int):
                dims.append(dim)
            elif dim in symbols:
                dims.append(symbols[dim])
            elif lowest.get(dim) == 0:
                dims.append(0)
            else:
                raise bad_argument("state '%s' is %s, and nothing determines '%s': the first run needs it as an input"
                                   % (self.into.name, self.into.text(), dim))
        self.set(np.zeros(dims, self.into.type.dtype), symbols)

    def valid(self) -> Any:
        """A view of the valid elements."""
        return self.array[tuple(slice(n) for n in self.dims)]

    def fill(self, target: Array, keep: List[Any]) -> None:
        """Has an input point to it."""
        self.into.fill(target, self.array, keep)
        if self.axis is not None:
            target.dims[:len(self.dims)] = self.dims
            target.capacity, target.axis = self.array.shape[self.axis], self.axis

    def take(self, output: Array, library: Any) -> None:
        """Takes what a run has returned."""
        if self.axis is None:
            self.array = self.into.convert(self.out.result(output, library), self.into.name)
            self.dims = self.array.shape
        else:
            self.dims = tuple(output.dims[:output.rank])


def of_ports(inputs: List[Port], outputs: List[Port]) -> List[State]:
    """The states that the table of a model declares."""
    return [State(inputs[p.state_of - 1], p) for p in outputs if p.state_of]


def symbols_of(ports: List[Port], arrays: Any, bounds: Mapping[str, Tuple[int, int]]) -> Dict[str, int]:
    """The values of symbols that are dims of these inputs, or have one possible value."""
    found = {name: lo for name, (lo, hi) in bounds.items() if lo == hi}
    for p in ports:
        shape: Tuple[Union[int, str], ...] = tuple(arrays[p.index].dims[:arrays[p.index].rank])
        for dim, n in zip(p.dims, shape):
            if isinstance(dim, str) and dim in bounds:
                found[dim] = int(n)
    return found
