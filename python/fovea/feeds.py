"""Values of inputs as files, which the command reads."""
import os
from typing import Any, Iterable, List, Mapping, Optional

import numpy as np

from .errors import bad_argument
from .types import STRING, of_dtype


def _is_json(value: Any) -> bool:
    """Is it a value of strings or of maps, which no file of numpy can hold?"""
    if isinstance(value, (dict, str)):
        return True
    if isinstance(value, (list, tuple)):
        return any(_is_json(v) for v in value)
    return isinstance(value, np.ndarray) and value.dtype.kind in "OUS"


def _write_input(stem: str, name: Any, value: Any) -> str:
    """Writes the value of an input to a file that the command reads. Returns the option."""
    import json

    if not isinstance(name, str):
        raise bad_argument("the name of an input is %r, expected a string" % (name,))
    if _is_json(value):
        value = value.tolist() if isinstance(value, np.ndarray) else value
        try:
            text = json.dumps(value)
        except (TypeError, ValueError) as e:
            raise bad_argument("input '%s': %s" % (name, e)) from e
        with open(stem + ".json", "w", encoding="utf-8") as f:
            f.write(text)
        return "--input=%s=%s.json" % (name, stem)
    array = np.asarray(value)
    if array.dtype.kind == "V" or array.dtype.name in ("bfloat16", "int4", "uint4", "int2", "uint2"):
        array = array.view(np.int8 if array.dtype.name.startswith("int") else "u%d" % array.dtype.itemsize)
    if array.dtype.kind not in "biufc":
        raise bad_argument("input '%s' is %s, expected numbers or strings" % (name, array.dtype))
    np.save(stem + ".npy", array)
    return "--input=%s=%s.npy" % (name, stem)


def input_options(feeds: Optional[Mapping[str, Any]], folder: str) -> List[str]:
    if feeds is not None and not isinstance(feeds, Mapping):
        raise bad_argument("the inputs are of type %s, expected a dict of names and arrays" % type(feeds).__name__)
    return [_write_input(os.path.join(folder, "input_%d" % i), name, value)
            for i, (name, value) in enumerate((feeds or {}).items())]


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def _bytes_field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _dims(array: Any) -> bytes:
    return b"".join(b"\x08" + _varint(n) for n in array.shape)


def tensor_proto(name: str, value: Any) -> bytes:
    """The value as an onnx.TensorProto: dims (1), data_type (2), string_data (6), name (8),
    raw_data (9)."""
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        texts = [t if isinstance(t, bytes) else str(t).encode() for t in array.reshape(-1)]
        return (_dims(array) + b"\x10" + _varint(STRING) + b"".join(_bytes_field(6, t) for t in texts) +
                _bytes_field(8, name.encode()))
    element = of_dtype(array.dtype)
    if element is None or element.bits < 8:
        raise bad_argument("input '%s' is %s, which a data set in a file cannot hold" % (name, array.dtype))
    return (_dims(array) + b"\x10" + _varint(element.number) + _bytes_field(8, name.encode()) +
            _bytes_field(9, array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()))


def write_data_sets(folder: str, sets: Iterable[Any]) -> int:
    """Writes each dict of names and arrays as a data set, a folder with input_0.pb, ... Returns how
    many there are."""
    count = 0
    for feeds in sets:
        if not isinstance(feeds, Mapping):
            raise bad_argument("a data set is of type %s, expected a dict of names and arrays" % type(feeds).__name__)
        within = os.path.join(folder, "data_set_%d" % count)
        os.makedirs(within)
        for i, (name, value) in enumerate(feeds.items()):
            if not isinstance(name, str):
                raise bad_argument("the name of an input is %r, expected a string" % (name,))
            with open(os.path.join(within, "input_%d.pb" % i), "wb") as f:
                f.write(tensor_proto(name, value))
        count += 1
    return count
