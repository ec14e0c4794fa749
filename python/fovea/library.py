"""The C libraries: where they are found, and their structs and functions (runtime/fovea.h).

libfovea compiles and runs models; libfovea-run, which does not need LLVM, runs compiled ones. Each is
loaded at its first use:

- if the environment variable FOVEA_LIBRARY is set, from the files and folders that it names, with colons
  between them, and from nowhere else;
- otherwise from the folder of this package, or from where the system's loader finds it.
"""
import ctypes
import logging
import os
import threading
from ctypes import POINTER, c_char, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List, Optional

from .errors import FoveaError, Message, log
from .handles import Handle

VERSION = "0.1.0"  # of this package, and of the libraries that it was written for
RANK = 32  # the largest of an fv_array


class Array(ctypes.Structure):  # fv_array
    _fields_ = [("type", c_int32), ("rank", c_int32), ("dims", c_int64 * RANK), ("data", c_void_p),
                ("owner", c_void_p), ("capacity", c_int64), ("axis", c_int32)]


class PortInfo(ctypes.Structure):  # fv_port_info
    _fields_ = [("name", c_char_p), ("type", c_int32), ("rank", c_int32), ("dims", POINTER(c_char_p)),
                ("depends_on_data", c_int32), ("state_of", c_int32), ("in_place", c_int32), ("capacity", c_char_p)]


class SymbolInfo(ctypes.Structure):  # fv_symbol_info
    _fields_ = [("name", c_char_p), ("lo", c_int64), ("hi", c_int64)]


class Model(ctypes.Structure):  # fv_model, the members that are read here
    _fields_ = [("abi", c_uint32), ("size", c_uint32), ("name", c_char_p), ("target", c_char_p),
                ("source_hash", c_char_p), ("producer", c_char_p), ("nsymbols", c_int32), ("ninputs", c_int32),
                ("noutputs", c_int32), ("uses_allocator", c_int32), ("symbols", POINTER(SymbolInfo)),
                ("inputs", POINTER(PortInfo)), ("outputs", POINTER(PortInfo)), ("plan", c_void_p), ("run", c_void_p),
                ("nlaunches", c_int32), ("launches", c_void_p), ("weights_file", c_char_p), ("nrelations", c_int32),
                ("relations", c_void_p), ("checksum", c_uint64)]


class Env(ctypes.Structure):  # fv_env, whose functions are not used here
    _fields_ = [("size", c_size_t), ("user", c_void_p), ("parallel_for", c_void_p), ("alloc", c_void_p), ("free", c_void_p),
                ("cancel", c_void_p), ("trace", c_void_p), ("weights", c_void_p), ("weights_bytes", c_size_t),
                ("communicator", c_void_p), ("seed", c_size_t)]


class RunOptions(ctypes.Structure):  # fv_run_options
    _fields_ = [("size", c_size_t), ("threads", c_int), ("cancel", c_void_p), ("pool", c_void_p), ("env", c_void_p),
                ("workspace", c_void_p), ("workspace_bytes", c_size_t), ("strides", c_void_p), ("poll", c_void_p)]


class CompileOptions(ctypes.Structure):  # fv_compile_options
    _fields_ = [("size", c_size_t), ("target", c_char_p), ("dims", POINTER(c_char_p)), ("level", c_char),
                ("naive", c_int), ("name", c_char_p), ("passes", POINTER(c_char_p)), ("backend", c_int),
                ("verify", c_int), ("states", POINTER(c_char_p)), ("weights", c_char_p), ("strict", c_int),
                ("tuning", c_char_p), ("enable", POINTER(c_char_p)), ("disable", POINTER(c_char_p)),
                ("relax", c_char_p), ("no_header", c_int), ("prefer", c_char_p)]


class Prompt(ctypes.Structure):  # fv_prompt
    _fields_ = [("ids", POINTER(c_int64)), ("n", c_int64)]


class GenerateOptions(ctypes.Structure):  # fv_generate_options
    _fields_ = [("size", c_size_t), ("tokens", c_int64), ("stop", POINTER(c_int64)), ("nstop", c_int),
                ("temperature", c_double), ("top_k", c_int64), ("top_p", c_double), ("seed", c_uint64),
                ("chunk", c_int64), ("given", c_void_p), ("threads", c_int), ("cancel", c_void_p), ("pool", c_void_p),
                ("env", c_void_p), ("poll", c_void_p)]


class GenerateReport(ctypes.Structure):  # fv_generate_report
    _fields_ = [("caches", c_int), ("in_place", c_int), ("prompt_ids", c_int64), ("ids", c_int64),
                ("prompt_ms", c_double), ("ms", c_double)]


_RUN_FUNCTIONS: Dict[str, Any] = {
    "fv_version": (c_char_p, []),
    "fv_array_free": (None, [POINTER(Array)]),
    "fv_log_new": (c_void_p, []),
    "fv_log_text": (c_char_p, [c_void_p]),
    "fv_log_clear": (None, [c_void_p]),
    "fv_log_severity": (c_int, [c_void_p, c_size_t]),
    "fv_log_free": (None, [c_void_p]),
    "fv_load": (c_int, [c_char_p, c_void_p, POINTER(c_void_p)]),
    "fv_artifact_model": (POINTER(Model), [c_void_p]),
    "fv_artifact_free": (None, [c_void_p]),
    "fv_adapter_load": (c_int, [c_char_p, c_void_p, POINTER(c_void_p)]),
    "fv_adapter_count": (c_int, [c_void_p]),
    "fv_adapter_get": (c_int, [c_void_p, c_int, POINTER(c_char_p), POINTER(Array)]),
    "fv_adapter_free": (None, [c_void_p]),
    "fv_artifact_run": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
}
_COMPILE_FUNCTIONS: Dict[str, Any] = {
    "fv_compile": (c_int, [c_char_p, POINTER(CompileOptions), c_void_p, POINTER(c_void_p)]),
    "fv_compile_file": (c_int, [c_char_p, c_char_p, POINTER(CompileOptions), c_void_p]),
    "fv_compile_bytes": (c_int, [c_char_p, c_size_t, c_char_p, c_char_p, POINTER(CompileOptions), c_void_p, POINTER(c_void_p)]),
    "fv_compile_bytes_file": (c_int, [c_char_p, c_size_t, c_char_p, c_char_p, c_char_p, POINTER(CompileOptions), c_void_p]),
    "fv_compile_decoder": (c_int, [c_char_p, POINTER(CompileOptions), c_void_p, POINTER(c_void_p)]),
    "fv_generator_new": (c_int, [c_void_p, c_int, POINTER(Prompt), POINTER(GenerateOptions), c_void_p,
                                 POINTER(c_void_p)]),
    "fv_generator_next": (c_int, [c_void_p, POINTER(c_int), POINTER(c_int64), c_void_p]),
    "fv_generator_report": (None, [c_void_p, POINTER(GenerateReport)]),
    "fv_generator_free": (None, [c_void_p]),
}


class Log:
    """A log of the library (fv_log), which one call at a time uses."""

    __slots__ = ("_library", "_owner", "handle")

    def __init__(self, lib: Any) -> None:
        self._library = lib
        self.handle: int = lib.fv_log_new()
        self._owner = Handle(self.handle, lib.fv_log_free)

    def take(self) -> List[Message]:
        """The messages since the last call, which the log then forgets."""
        lines = self._library.fv_log_text(self.handle).decode("utf-8", "surrogateescape").split("\n")[:-1]
        found = [(self._library.fv_log_severity(self.handle, i), line) for i, line in enumerate(lines)]
        self._library.fv_log_clear(self.handle)
        return found


_lock = threading.Lock()
_loaded: Dict[str, Any] = {}
_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def _places(name: str) -> List[str]:
    """Paths to try for the library `name`, best first; one without a folder is the loader's to find."""
    file, given = name + ".so.0", os.environ.get("FOVEA_LIBRARY")
    if given:
        entries = [os.path.join(e, file) if os.path.isdir(e) else e for e in given.split(os.pathsep) if e]
        return [e for e in entries if os.path.basename(e).startswith(name + ".so")]
    inside = os.path.join(_PACKAGE, file)
    return [inside] if os.path.exists(inside) else [file]


def _check_cpu(path: str) -> None:
    """Refuses a library of this package that was built for instructions that this CPU lacks: a wheel's
    file cpu_features lists them by their names in /proc/cpuinfo."""
    listed = os.path.join(_PACKAGE, "cpu_features")
    if os.path.dirname(path) != _PACKAGE or not os.path.exists(listed):
        return
    with open(listed, encoding="ascii") as f:
        needed = f.read().split()
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        flags = [line.split(":", 1)[1].split() for line in f if line.startswith("flags")]
    lacking = [feature for feature in needed if flags and feature not in flags[0]]
    if lacking:
        raise FoveaError("FV_BAD_CPU", ["this wheel of fovea was built for CPUs with %s, which this machine lacks; "
                                        "install one that was built for x86-64" % ", ".join(lacking)])


def _load(name: str, functions: Dict[str, Any]) -> Any:
    why = []
    for path in _places(name):
        _check_cpu(path)
        try:
            library = ctypes.CDLL(path)
            for function, (result, arguments) in functions.items():
                f = getattr(library, function)
                f.restype, f.argtypes = result, arguments
            return library
        except (OSError, AttributeError) as e:
            why.append(str(e))
    if not why:
        why.append("it is not among those of FOVEA_LIBRARY")
    raise FoveaError("FV_BAD_FILE", [
        "%s cannot be loaded: %s; install Fovea, or set FOVEA_LIBRARY to the library or to its folder"
        % (name, "; ".join(why))])


def _get(name: str, functions: Dict[str, Any]) -> Any:
    with _lock:
        if name not in _loaded:
            _loaded[name] = _load(name, functions)
            found = _loaded[name].fv_version().decode()
            log.log(logging.DEBUG if found == VERSION else logging.WARNING, "%s is version %s, this package %s",
                    _loaded[name]._name, found, VERSION)
        return _loaded[name]


def compiler() -> Any:
    """libfovea. Raises FoveaError if it cannot be loaded."""
    return _get("libfovea", {**_RUN_FUNCTIONS, **_COMPILE_FUNCTIONS})


def runtime() -> Any:
    """A library that runs compiled models: libfovea-run, or libfovea where the former is not found."""
    if "libfovea" in _loaded:
        return _loaded["libfovea"]
    try:
        return _get("libfovea-run", _RUN_FUNCTIONS)
    except FoveaError as e:
        log.debug("%s", e)
    return compiler()


def path_of(library: Any) -> Optional[str]:
    """The file that the library was loaded from, by the list of this process's mappings."""
    path = str(library._name)
    if os.path.isabs(path):
        return os.path.realpath(path)
    name = os.path.basename(path)
    stem = name.split(".so")[0] + ".so"
    with open("/proc/self/maps") as f:
        for line in f:
            fields = line.rstrip("\n").split(None, 5)
            if len(fields) == 6 and os.path.basename(fields[5]).startswith(stem):
                return fields[5]
    return None
