"""Inputs and outputs as Python sees them. C has tensors of numbers only, so a tensor of strings, a
sequence, an optional or a map consists of several ports (docs/api.md); here they are one value."""
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .errors import bad_argument
from .ports import Port, find

SHAPE_COLUMNS = 9  # rank, and at most eight dims


class Value:
    """An input or output: a tensor. Subclasses are the values that consist of several ports.

    name, type, shape   as ONNX Runtime's NodeArg has them: type "tensor(float)"; shape a list of
                        ints, and texts for dims that are symbolic
    ports               the tensors of C that it consists of
    """

    kind = "tensor"

    def __init__(self, name: str, ports: List[Port]) -> None:
        self.name, self.ports = name, ports

    @property
    def type(self) -> str:
        return "tensor(%s)" % self.ports[0].type.name

    @property
    def shape(self) -> List[Union[int, str]]:
        return list(self.ports[0].dims)

    def __repr__(self) -> str:
        return "NodeArg(name=%r, type=%r, shape=%r)" % (self.name, self.type, self.shape)

    def to_parts(self, value: Any) -> List[Any]:
        """The arrays of its ports."""
        return [self.ports[0].convert(value, self.name)]

    def of_parts(self, parts: Sequence[Any]) -> Any:
        """The value of Python, from the arrays of its ports."""
        return parts[0]


class Strings(Value):
    """A tensor of strings: an array of objects, as in ONNX Runtime."""

    @property
    def type(self) -> str:
        return "tensor(string)"

    @property
    def shape(self) -> List[Union[int, str]]:
        return list(self.ports[1].dims)

    def to_parts(self, value: Any) -> List[Any]:
        return list(join_strings(value, self.name))

    def of_parts(self, parts: Sequence[Any]) -> Any:
        return split_strings(parts[0], parts[1])


class Held(Value):
    """A sequence: a list of arrays. An optional: the same, or None if it is absent."""

    def __init__(self, name: str, ports: List[Port], strings: bool) -> None:
        super().__init__(name, ports)
        self.strings = strings
        self.optional = ports[-1].name == name + ".there"

    @property
    def type(self) -> str:
        element = "seq(tensor(%s))" % ("string" if self.strings else self.ports[0].type.name)
        return "optional(%s)" % element if self.optional else element

    @property
    def shape(self) -> List[Union[int, str]]:
        return []

    def _elements(self, value: Any) -> List[Any]:
        if value is None:
            return []
        if isinstance(value, (list, tuple)):
            return list(value)
        if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
            return [value]  # an optional tensor
        raise bad_argument("input '%s' is of type %s, expected a list of arrays" % (self.name, type(value).__name__))

    def to_parts(self, value: Any) -> List[Any]:
        elements = self._elements(value)
        if self.strings:
            arrays = [_objects(e, self.name) for e in elements]
            data = list(join_strings([s for a in arrays for s in a.reshape(-1)], self.name))
        else:
            arrays = [self.ports[0].convert(e, self.name) for e in elements]
            flat = [a.reshape(-1) for a in arrays]
            data = [np.concatenate(flat) if flat else np.zeros(0, self.ports[0].type.dtype)]
        shapes = np.ones((len(arrays), SHAPE_COLUMNS), np.int64)
        for row, a in zip(shapes, arrays):
            if a.ndim >= SHAPE_COLUMNS:
                raise bad_argument("input '%s' has an element of rank %d, expected at most %d"
                                   % (self.name, a.ndim, SHAPE_COLUMNS - 1))
            row[0], row[1:1 + a.ndim] = a.ndim, a.shape
        there = [np.array(value is not None)] if self.optional else []
        return data + [shapes] + there

    def of_parts(self, parts: Sequence[Any]) -> Any:
        if self.optional and not parts[-1]:
            return None
        data = split_strings(parts[0], parts[1]) if self.strings else parts[0]
        elements, at = [], 0
        for row in parts[2 if self.strings else 1]:
            shape = tuple(int(n) for n in row[1:1 + int(row[0])])
            n = int(np.prod(shape, dtype=np.int64))
            elements.append(data[at:at + n].reshape(shape))
            at += n
        return elements


class Maps(Value):
    """A map: a dict. A sequence of maps: a list of dicts."""

    def __init__(self, name: str, ports: List[Port], keys: int, values: int) -> None:
        super().__init__(name, ports)
        self.nkeys, self.nvalues = keys, values  # ports of the keys, and of the values; 2 if strings
        self.several = len(ports) > keys + values

    @property
    def type(self) -> str:
        key = "string" if self.nkeys == 2 else self.ports[0].type.name
        value = "string" if self.nvalues == 2 else self.ports[self.nkeys].type.name
        one = "map(%s,tensor(%s))" % (key, value)
        return "seq(%s)" % one if self.several else one

    @property
    def shape(self) -> List[Union[int, str]]:
        return []

    def to_parts(self, value: Any) -> List[Any]:
        maps = list(value) if self.several and isinstance(value, (list, tuple)) else [value]
        if not all(isinstance(m, dict) for m in maps):
            raise bad_argument("input '%s' is of type %s, expected %s" % (
                self.name, type(value).__name__, "a list of dicts" if self.several else "a dict"))
        parts = self._vector([k for m in maps for k in m], 0, self.nkeys)
        parts += self._vector([v for m in maps for v in m.values()], self.nkeys, self.nvalues)
        if self.several:
            parts.append(np.cumsum([len(m) for m in maps], dtype=np.int64))
        return parts

    def _vector(self, items: List[Any], first: int, count: int) -> List[Any]:
        if count == 2:
            return list(join_strings(items, self.name))
        return [self.ports[first].convert(items if items else np.zeros(0, self.ports[first].type.dtype), self.name)]

    def of_parts(self, parts: Sequence[Any]) -> Any:
        def items(first: int, count: int) -> List[Any]:
            column = split_strings(parts[first], parts[first + 1]) if count == 2 else parts[first]
            return list(column.tolist())
        keys, values = items(0, self.nkeys), items(self.nkeys, self.nvalues)
        if not self.several:
            return dict(zip(keys, values))
        ends = parts[-1].tolist()
        return [dict(zip(keys[a:b], values[a:b])) for a, b in zip([0] + ends, ends)]


# ---- strings ----

def _objects(value: Any, name: str) -> Any:
    """An array of str or bytes objects."""
    array = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype.kind != "O":
        raise bad_argument("input '%s' is %s, expected strings" % (name, array.dtype))
    return array


def _utf8(item: Any, name: str) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError as e:
            raise bad_argument("input '%s' has a string that is no UTF-8: %s" % (name, e)) from e
    raise bad_argument("input '%s' has an element of type %s, expected a string" % (name, type(item).__name__))


def join_strings(value: Any, name: str) -> Tuple[Any, Any]:
    """The text and the ends of a tensor of strings."""
    array = _objects(value, name)
    items = [_utf8(s, name) for s in array.reshape(-1)]
    ends = np.cumsum([len(s) for s in items], dtype=np.int64).reshape(array.shape)
    return np.frombuffer(b"".join(items), np.uint8), ends


def split_strings(text: Any, ends: Any) -> Any:
    """The array of strings with this text and these ends."""
    data = text.tobytes()
    result = np.empty(ends.shape, object)
    flat, at = result.reshape(-1), 0
    for i, end in enumerate(ends.reshape(-1).tolist()):
        flat[i] = data[at:end].decode("utf-8", "replace")
        at = end
    return result


# ---- which ports are one value ----

def _is_vector(ports: List[Port], i: int, name: str) -> int:
    """The number of ports of the vector `name` that begins at port i: 1, 2 for strings, 0: none."""
    p = find(ports, i, name)
    if p:
        return int(p.rank == 1)
    ends = find(ports, i + 1, name + ".ends")
    return 2 if find(ports, i, name + ".text") and ends and ends.rank == 1 else 0


def _maps_at(ports: List[Port], i: int) -> Optional[Value]:
    for suffix in (".keys", ".keys.text"):
        stem = ports[i].name[:-len(suffix)]
        if not ports[i].name.endswith(suffix) or not stem:
            continue
        keys = _is_vector(ports, i, stem + ".keys")
        values = _is_vector(ports, i + keys, stem + ".values") if keys else 0
        if values:
            ends = find(ports, i + keys + values, stem + ".ends")
            return Maps(stem, ports[i:i + keys + values + (ends is not None)], keys, values)
    return None


def _parts_at(ports: List[Port], i: int) -> Optional[Value]:
    """A tensor of strings, a sequence or an optional."""
    p = ports[i]
    strings = p.name.endswith(".text") and p.type.number == 2 and p.rank == 1
    stem = p.name[:-5]
    if not strings and not (p.name.endswith(".data") and p.rank == 1):
        return None
    n = 2 if strings else 1
    if strings and not find(ports, i + 1, stem + ".ends"):
        return None
    shapes = find(ports, i + n, stem + ".shapes")
    if shapes and shapes.rank == 2:
        there = find(ports, i + n + 1, stem + ".there")
        return Held(stem, ports[i:i + n + 1 + (there is not None)], strings)
    return Strings(stem, ports[i:i + 2]) if strings else None


def of_ports(ports: List[Port]) -> List[Value]:
    """The values that these ports are, in order."""
    values: List[Value] = []
    i = 0
    while i < len(ports):
        value = _maps_at(ports, i) or _parts_at(ports, i) or Value(ports[i].name, [ports[i]])
        values.append(value)
        i += len(value.ports)
    return values


def by_name(values: List[Value]) -> Dict[str, Value]:
    """The values by their names."""
    return {v.name: v for v in values}
