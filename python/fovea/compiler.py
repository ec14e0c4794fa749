"""Compiling to files."""
import ctypes
import os
from typing import Any, Union

from . import library, options, source
from .errors import report


def compile(model: Any, output: Union[str, "os.PathLike[str]"], *, folder: source.Folder = None, **more: Any) -> None:
    """Compiles a model to files, as `fovea compile -o` does.

    model   as for Session
    output  the name's suffix decides the kind: .so .o .a .c .ll .s .fvir .fvk; a folder of C ends in /
    folder  of the external data of a model in memory
    more    dims, states, target, level and other options, as for Session; weights: where weights
            are stored, "object", "file", "incbin" or "text"; header=False: no C header is written
            next to a library or object

    After a failure, which raises FoveaError, no new file is left, and no old file is lost.
    """
    o = options.make(**more)
    lib = library.compiler()
    out = options.encoded(output, "output")
    m = source.of(model, folder)
    log = library.Log(lib)
    if m.content is None:
        status = lib.fv_compile_file(m.path, out, ctypes.byref(o), log.handle)
    else:
        status = lib.fv_compile_bytes_file(m.content, len(m.content), m.path, m.folder, out, ctypes.byref(o), log.handle)
    report(status, log.take())
