"""Compiling to files."""
import ctypes
import os
from typing import Any, Union

from . import library, options, source
from .errors import report


def compile(model: Any, output: Union[str, "os.PathLike[str]"], **more: Any) -> None:
    """Compiles a model to files, as `fovea compile -o` does.

    model   as for Session
    output  the name's suffix decides the kind: .so .o .a .c .ll .s .fvir .fvk; a folder of C ends in /
    more    dims, states, target, level and other options, as for Session; weights: where weights
            are stored, "object", "file", "incbin" or "text"

    After a failure, which raises FoveaError, no new file is left, and no old file is lost.
    """
    o = options.make(**more)
    lib = library.compiler()
    out = options.encoded(output, "output")
    with source.path_of(model) as (path, name), library.Log(lib) as log:
        status = lib.fv_compile_file(path, out, ctypes.byref(o), log.handle)
        report(status, log.text().replace(os.fsdecode(path), name))
