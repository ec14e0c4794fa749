"""The inputs and outputs that a compiled model has in C, and arrays that are passed to them."""
from typing import Any, List, Optional, Tuple, Union

import numpy as np

from . import types
from .errors import FoveaError, bad_argument
from .handles import Handle
from .library import RANK, Array, PortInfo


_CPU = 1  # of DLPack's types of devices
_HOST = (_CPU, 3, 11, 13)  # whose memory the CPU reads; the others: of CUDA and ROCm, for transfers


class Port:
    """One tensor that is passed to C, of the table of the model (fv_port_info).

    dims      for each axis an int, or an expression over the model's symbols as text
    state_of  of an output: 1 + the index of the input that takes it in the next run; 0: none
    in_place  of a state: 1 + the axis of its capacity, if both are one memory
    depends_on_data  of an output: whether a run alone determines its size
    """

    __slots__ = ("index", "name", "type", "rank", "dims", "state_of", "in_place", "capacity", "depends_on_data")

    def __init__(self, index: int, info: PortInfo) -> None:
        self.index = index
        self.name: str = info.name.decode("utf-8", "surrogateescape")
        self.type = types.BY_NUMBER[info.type]
        self.rank: int = info.rank
        self.dims: List[Union[int, str]] = [_dim(info.dims[k]) for k in range(info.rank)]
        self.state_of: int = info.state_of
        self.in_place: int = info.in_place
        self.depends_on_data = bool(info.depends_on_data)
        self.capacity: Union[int, str] = _dim(info.capacity) if info.capacity else 0

    def text(self) -> str:
        """What it takes, for messages: float32[batch, 3]."""
        return "%s[%s]" % (self.type.dtype if self.type.ml is None else self.type.name,
                           ", ".join(str(d) for d in self.dims))

    def convert(self, value: Any, name: str) -> Any:
        """The value as an array that C can read, without a copy where its layout allows that."""
        array = as_array(value, self.type.dtype, name)
        if not self.type.takes(array.dtype):
            swapped = array.dtype.newbyteorder("=")
            if not self.type.takes(swapped):
                raise bad_argument("input '%s' is %s%s, expected %s" % (
                    name, array.dtype, _shape_text(array.shape), self.text()))
            array = array.astype(swapped)
        if array.dtype != self.type.dtype:
            array = array.view(self.type.dtype)
        elif not self.type.holds(array):
            raise bad_argument("input '%s' has numbers that %s cannot hold" % (name, self.type.name))
        if array.ndim > RANK:
            raise bad_argument("input '%s' has rank %d, expected %s" % (name, array.ndim, self.text()))
        flags = array.flags
        return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")

    def fill(self, target: Array, array: Any, keep: List[Any]) -> None:
        """Has `target` point to the array; what must stay alive until the run is done goes to `keep`."""
        shape = array.shape
        if self.type.bits < 8:
            array = types.pack(array, self.type.bits)
        keep.append(array)
        target.type = self.type.number
        target.rank = len(shape)
        target.dims[:len(shape)] = shape
        target.data = array.ctypes.data

    def result(self, array: Array, library: Any) -> Any:
        """The array that a run has returned, in the memory that the run allocated, and which it now owns."""
        shape = tuple(array.dims[:array.rank])
        packed = self.type.bits < 8
        count = 1
        for n in shape:
            count *= n
        held = (-(-count * self.type.bits // 8),) if packed else shape
        owned = Array.from_buffer_copy(array)
        array.data = array.owner = None
        result = np.asarray(Memory(owned, held, np.dtype(np.uint8) if packed else self.type.dtype, library))
        if packed:
            result = types.unpack(result, self.type, shape)
        if self.type.ml is None:
            return result
        return result.view(self.type.public_dtype())


class Memory:
    """Memory that the library allocated for an output; freed when no numpy array refers to it."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: Array, shape: Tuple[int, ...], dtype: Any, library: Any) -> None:
        self.owner = Handle(array, library.fv_array_free)
        self.__array_interface__ = {"shape": shape, "typestr": dtype.str, "data": (array.data, False), "version": 3}


def _dim(text: bytes) -> Union[int, str]:
    return int(text) if text.isdigit() else text.decode("utf-8", "surrogateescape").strip("`")


def _shape_text(shape: Tuple[int, ...]) -> str:
    return "[%s]" % ", ".join(str(n) for n in shape)


def as_array(value: Any, dtype: Any, name: str) -> Any:
    """An array of numpy: the value itself, its memory by the protocols of numpy and DLPack, or, for
    Python's numbers and lists, a new array of this dtype if it can hold them."""
    if isinstance(value, np.ma.MaskedArray) and np.any(value.mask):
        raise bad_argument("input '%s' has masked elements, which no tensor has" % name)
    if isinstance(value, np.ndarray):
        return value
    if value is None:
        raise bad_argument("input '%s' is None, expected an array" % name)
    if isinstance(value, str):
        raise bad_argument("input '%s' is a str, expected %s" % (name, dtype))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _read(_of_buffer, value, "as an array", name)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return _read(np.asarray, value, "as an array", name)
    if hasattr(value, "__dlpack__"):
        return _read(_of_dlpack, value, "by DLPack", name)
    return _of_numbers(value, dtype, name)


def _of_buffer(value: Any) -> Any:
    return np.asarray(memoryview(value))  # of one that is released numpy would make an array of objects


def _of_dlpack(value: Any) -> Any:
    kind = value.__dlpack_device__()[0] if hasattr(value, "__dlpack_device__") else _CPU
    if kind not in _HOST:
        raise ValueError("it is on a device of type %d, expected the CPU (%d)" % (kind, _CPU))
    return np.from_dlpack(value)


def _read(function: Any, value: Any, how: str, name: str) -> Any:
    try:
        return function(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as e:
        raise bad_argument("input '%s' cannot be read %s: %s" % (name, how, e)) from e


def _of_numbers(value: Any, dtype: Any, name: str) -> Any:
    try:
        found = np.array(value)
    except (ValueError, TypeError) as e:
        raise bad_argument("input '%s' is no array: %s" % (name, e)) from e
    if found.size == 0:
        return found.astype(dtype) if found.dtype.kind in "fiub" else found
    if found.dtype.kind not in "fiubc" or not np.can_cast(found.dtype, dtype, "same_kind"):
        if found.dtype.kind == "O" or found.dtype.kind not in "iu" or dtype.kind not in "iu":
            kind = "objects" if found.dtype.kind == "O" else str(found.dtype)
            raise bad_argument("input '%s' is a %s of %s, expected %s" % (name, type(value).__name__, kind, dtype))
    with np.errstate(over="ignore"):
        cast = found.astype(dtype)
    if (dtype.kind in "iu" and not np.array_equal(cast, found)) or np.any(np.isinf(cast) & ~np.isinf(found)):
        raise bad_argument("input '%s' has numbers that %s cannot hold" % (name, dtype))
    return cast


def read_ports(count: int, infos: Any) -> List[Port]:
    """The ports of a table; FoveaError if one has a type that this package does not know."""
    for i in range(count):
        if infos[i].type not in types.BY_NUMBER:
            raise FoveaError("FV_BAD_FILE", ["'%s' has element type %d, which this version does not know"
                                             % (infos[i].name.decode("utf-8", "replace"), infos[i].type)])
    return [Port(i, infos[i]) for i in range(count)]


def find(ports: List[Port], index: int, name: str) -> Optional[Port]:
    """Port `index` if it has that name."""
    return ports[index] if index < len(ports) and ports[index].name == name else None
