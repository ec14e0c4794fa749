"""Adapters: the weights of a fine-tuning, as values of inputs, from files of ONNX Runtime."""
import ctypes
import os
from typing import Any, Dict, Tuple, Union

import numpy as np

from . import library, options, types
from .errors import report
from .handles import Handle, made


class _File:
    """A file that the library has read; freed when no array refers to it."""

    __slots__ = ("_library", "handle")

    def __init__(self, path: bytes) -> None:
        self._library = library.runtime()
        handle = ctypes.c_void_p()
        log = library.Log(self._library)
        status = self._library.fv_adapter_load(path, log.handle, ctypes.byref(handle))
        self.handle = made(status, handle, self._library.fv_adapter_free)
        report(status, log.take())

    def array(self, i: int) -> Tuple[str, Any]:
        """The name and the value of parameter i."""
        name, found = ctypes.c_char_p(), library.Array()
        report(self._library.fv_adapter_get(self.handle.pointer, i, ctypes.byref(name), ctypes.byref(found)), [])
        kind, shape = types.BY_NUMBER[found.type], tuple(found.dims[:found.rank])
        array = np.asarray(_Memory(self.handle, found.data, shape, kind.dtype))
        return (name.value or b"").decode("utf-8", "surrogateescape"), array.view(kind.public_dtype())

    def arrays(self) -> Dict[str, Any]:
        """All values by name."""
        return dict(self.array(i) for i in range(self._library.fv_adapter_count(self.handle.pointer)))


class _Memory:
    """The memory of a value, which cannot be written."""

    __slots__ = ("__array_interface__", "file")

    def __init__(self, file: Handle, data: int, shape: Tuple[int, ...], dtype: Any) -> None:
        self.file = file
        self.__array_interface__ = {"shape": shape, "typestr": dtype.str, "data": (data, True), "version": 3}


class Adapter(Dict[str, Any]):
    """The arrays in a file of ONNX Runtime (.onnx_adapter), by the names of the inputs whose values
    they are: s.run(None, {**feeds, **adapter}).

    path  of the file
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        super().__init__(_File(options.encoded(path, "path")).arrays())
