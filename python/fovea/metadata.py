"""The metadata of an ONNX file: the few fields of its ModelProto that are not the graph. The wire format
of protobuf is a list of fields, each with a number and a length, so all others are passed over."""
import mmap
from typing import Any, Dict, Iterator, Optional, Tuple

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def _varint(data: Any, at: int, end: int) -> Tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number does not end")


def _fields(data: Any, at: int, end: int) -> Iterator[Tuple[int, int, int]]:
    """Number, value or begin, and end of each field; the end of numbers is -1."""
    while at < end:
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at, end)
            yield number, value, -1
        elif kind == _LENGTH:
            size, at = _varint(data, at, end)
            if size > end - at:
                raise ValueError("a field is longer than its message")
            yield number, at, at + size
            at += size
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a field has type %d" % kind)


def _text(data: Any, at: int, end: int) -> str:
    return bytes(data[at:end]).decode("utf-8", "replace") if end >= 0 else ""


def _texts(data: Any, at: int, end: int) -> Dict[int, str]:
    """The texts of a message by the numbers of their fields."""
    return {number: _text(data, a, b) for number, a, b in _fields(data, at, end)}


class ModelMeta:
    """What get_modelmeta returns, with the names of ONNX Runtime. A model without such data, as a text
    or a compiled library, has the name alone."""

    def __init__(self, graph_name: str) -> None:
        self.graph_name, self.graph_description = graph_name, ""
        self.producer_name = self.domain = self.description = ""
        self.version = 0
        self.custom_metadata_map: Dict[str, str] = {}

    def _read(self, data: Any) -> None:
        texts = {2: "producer_name", 4: "domain", 6: "description"}
        for number, a, b in _fields(data, 0, len(data)):
            if number in texts:
                setattr(self, texts[number], _text(data, a, b))
            elif number == 5 and b < 0:
                self.version = a - 2**64 if a >= 2**63 else a
            elif number == 7 and b >= 0:
                self._read_graph(data, a, b)
            elif number == 14 and b >= 0:
                entry = _texts(data, a, b)
                self.custom_metadata_map[entry.get(1, "")] = entry.get(2, "")

    def _read_graph(self, data: Any, at: int, end: int) -> None:
        for number, a, b in _fields(data, at, end):
            if number == 2:
                self.graph_name = _text(data, a, b)
            elif number == 10:
                self.graph_description = _text(data, a, b)


def read(path: bytes, content: Optional[bytes], name: str) -> ModelMeta:
    """The metadata of a model that is in this file, or in memory."""
    found = ModelMeta(name)
    try:
        if content is not None:
            found._read(content)
        else:
            with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found._read(data)
    except (OSError, ValueError):  # a text or a library
        return ModelMeta(name)
    return found
