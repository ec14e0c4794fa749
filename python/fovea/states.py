"""States: outputs of a model that are inputs of its next run, kept between the runs of a session."""
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from .errors import FoveaError, bad_argument
from .library import Array
from .ports import Port


FIRST = 64  # positions that a capacity without a value has at first


class Capacities:
    """The capacities that have a name and no value: states with one name share one, which grows."""

    def __init__(self) -> None:
        self._found: Dict[Union[int, str], int] = {}

    def of(self, name: str) -> int:
        return self._found.setdefault(name, FIRST)

    def at_least(self, name: Union[int, str], n: int) -> int:
        """The capacity with this name, which is raised to n; 0: it has a value."""
        if name in self._found and self._found[name] < n:
            self._found[name] = n
        return self._found.get(name, 0)

    def grow(self, bounds: Mapping[str, Tuple[int, int]]) -> bool:
        """Doubles the capacities, within their bounds; False: there is none that may be larger."""
        before = dict(self._found)
        for name, n in before.items():
            self._found[name] = min(2 * n, max(n, bounds[str(name)][1]))
        return self._found != before

    def saved(self) -> Dict[Union[int, str], int]:
        """The present values, for restore()."""
        return dict(self._found)

    def restore(self, values: Mapping[Union[int, str], int]) -> None:
        """Takes these values of saved() again."""
        self._found = dict(values)


class State:
    """One state. `array` is what the next run reads; None before the first run. Of a state with a
    capacity it is the memory that all runs share, of which the first `dims` are valid."""

    def __init__(self, into: Port, out: Port, capacities: Capacities) -> None:
        self.into, self.out, self._capacities = into, out, capacities
        self.array: Any = None
        self.dims: Tuple[int, ...] = ()
        self.assumed: List[str] = []  # dims that begin() has set to 0, because nothing determines them

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
        n = array.shape[self.axis]
        capacity = max(self._capacity(symbols), self._capacities.at_least(self.into.capacity, n))
        if n > capacity:
            raise bad_argument("input '%s' has %d on axis %d, its capacity is %d" % (
                self.into.name, n, self.axis, capacity))
        self._take(array, capacity)

    def _take(self, array: Any, capacity: int) -> None:
        """Copies this array to a new memory of that capacity."""
        shape = list(array.shape)
        shape[self.axis or 0] = capacity
        self.array, self.dims = np.zeros(shape, array.dtype), array.shape
        self.valid()[...] = array

    def _capacity(self, symbols: Mapping[str, int]) -> int:
        capacity = self.into.capacity
        if not isinstance(capacity, str):
            return capacity
        return symbols[capacity] if capacity in symbols else self._capacities.of(capacity)

    def begin(self, symbols: Mapping[str, int], lowest: Mapping[str, int]) -> None:
        """Zeros; along an axis whose size nothing else determines, none of them."""
        dims: List[int] = []
        self.assumed = []
        for k, dim in enumerate(self.into.dims):
            if k == self.axis and dim == self.into.capacity:
                dims.append(self._capacity(symbols))
            elif isinstance(dim, int):
                dims.append(dim)
            elif dim in symbols:
                dims.append(symbols[dim])
            elif lowest.get(dim) == 0:
                self.assumed.append(dim)
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
        capacity = self._capacities.at_least(self.into.capacity, 0)
        if self.axis is not None and self.array.shape[self.axis] < capacity:
            self._take(self.valid(), capacity)
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


def of_ports(inputs: List[Port], outputs: List[Port], capacities: Capacities) -> List[State]:
    """The states that the table of a model declares."""
    return [State(inputs[p.state_of - 1], p, capacities) for p in outputs if p.state_of]


def explained(error: FoveaError, begun: List[State]) -> FoveaError:
    """The error of a first run, with the dims of states that may be its cause: those that it names."""
    text = "\n".join(error.messages)

    def names(dim: str) -> bool:
        return re.search(r"(?<!\w)%s(?!\w)" % re.escape(dim), text) is not None

    return FoveaError(error.status, error.messages + [
        "state '%s' began with %s = 0, which no other input determines: give it a number by dims, or "
        "feed the state to the first run"
        % (s.into.name, " = ".join(s.assumed)) for s in begun if any(names(dim) for dim in s.assumed)])


def symbols_of(ports: List[Port], arrays: Any, bounds: Mapping[str, Tuple[int, int]]) -> Dict[str, int]:
    """The values of symbols that are dims of these inputs, or have one possible value."""
    found = {name: lo for name, (lo, hi) in bounds.items() if lo == hi}
    for p in ports:
        shape: Tuple[Union[int, str], ...] = tuple(arrays[p.index].dims[:arrays[p.index].rank])
        for dim, n in zip(p.dims, shape):
            if isinstance(dim, str) and dim in bounds:
                found[dim] = int(n)
    return found
