"""Models that are given as a path, as bytes, or as an onnx.ModelProto."""
import contextlib
import os
from typing import Any, Iterator, Tuple

from .errors import bad_argument
from .options import encoded

IN_MEMORY = b"/proc/self/fd/"  # where a model in memory has its path


def is_library(path: bytes) -> bool:
    """Is the file a compiled library, by its first bytes?"""
    try:
        with open(path, "rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False  # the library says what is wrong


def _content(model: Any) -> Any:
    if isinstance(model, (bytes, bytearray, memoryview)):
        return model
    if hasattr(model, "SerializeToString"):
        try:
            return model.SerializeToString()
        except Exception as e:  # of protobuf, which is not imported here
            raise bad_argument("the model cannot be serialized: %s" % e) from e
    raise TypeError("a model is a path, bytes or an onnx.ModelProto, not %s" % type(model).__name__)


@contextlib.contextmanager
def path_of(model: Any) -> Iterator[Tuple[bytes, str]]:
    """The path of the model, and how messages call it. What is in memory has a path while the
    context is open, without a file on disk."""
    if isinstance(model, (str, os.PathLike)):
        yield encoded(model, "model"), os.fsdecode(model)
        return
    content = _content(model)
    fd = os.memfd_create("fovea-model")
    try:
        with open(fd, "wb", closefd=False) as f:
            f.write(content)
        yield IN_MEMORY + b"%d" % fd, "the model"
    finally:
        os.close(fd)
