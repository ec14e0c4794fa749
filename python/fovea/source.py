"""Models that are given as a path, as bytes, or as an onnx.ModelProto."""
import contextlib
import os
from typing import Any, Iterator, Optional, Tuple, Union

from .errors import bad_argument
from .options import encoded

Folder = Union[str, "os.PathLike[str]", None]
ELF = b"\x7fELF"  # how a compiled library begins


class Source:
    """A model: a file, or its content in memory.

    path     of the file; of content in memory: a name for messages
    content  bytes; None: the model is in the file
    folder   of the external data of a model in memory; None: it has none
    """

    __slots__ = ("path", "content", "folder")

    def __init__(self, path: bytes, content: Optional[bytes], folder: Optional[bytes]) -> None:
        self.path, self.content, self.folder = path, content, folder

    def given(self) -> Union[bytes, str]:
        """The model as an argument of Session, in any folder and process."""
        return os.path.abspath(os.fsdecode(self.path)) if self.content is None else self.content

    def is_library(self) -> bool:
        """Is it a compiled library, by its first bytes?"""
        if self.content is not None:
            return self.content.startswith(ELF)
        try:
            with open(self.path, "rb") as f:
                return f.read(len(ELF)) == ELF
        except OSError:
            return False  # the library says what is wrong


def _content(model: Any) -> bytes:
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model)  # no copy of what cannot change
    if hasattr(model, "SerializeToString"):
        try:
            return bytes(model.SerializeToString())
        except Exception as e:  # of protobuf, which is not imported here
            raise bad_argument("the model cannot be serialized: %s" % e) from e
    raise TypeError("a model is a path, bytes or an onnx.ModelProto, not %s" % type(model).__name__)


def of(model: Any, folder: Folder = None) -> Source:
    """The model that an argument is. folder: of the external data of a model in memory."""
    if isinstance(model, (str, os.PathLike)):
        if folder is not None:
            raise bad_argument("folder is for models in memory; the external data of a file are next to it")
        return Source(encoded(model, "model"), None, None)
    return Source(b"model", _content(model), None if folder is None else encoded(folder, "folder"))


@contextlib.contextmanager
def path_for_command(model: Any) -> Iterator[Tuple[bytes, str, Tuple[int, ...]]]:
    """The path of the model for another process, how messages call it, and the descriptors that the
    process must inherit. What is in memory has a path while the context is open, without a file on
    disk."""
    source = of(model)
    if source.content is None:
        yield source.path, os.fsdecode(source.path), ()
        return
    fd = os.memfd_create("fovea-model")
    try:
        with open(fd, "wb", closefd=False) as f:
            f.write(source.content)
        yield b"/proc/self/fd/%d" % fd, "model", (fd,)
    finally:
        os.close(fd)
