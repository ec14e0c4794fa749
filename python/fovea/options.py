"""Options of the compiler, from Python's values to the struct of the library."""
import ctypes
import os
import re
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from .errors import bad_argument
from .library import CompileOptions

Dims = Mapping[str, Union[int, str, Tuple[int, int]]]
States = Mapping[str, Union[str, Tuple[str, int]]]
_PLAIN = re.compile(r"[\w./:*-]+")
_BACKENDS = {"jit": 0, "interp": 1, "c": 2}


def _name(name: Any, what: str) -> str:
    """A name in the notation of --dim: as it is, or in backquotes."""
    if not isinstance(name, str):
        raise TypeError("%s: names are strings, not %r" % (what, name))
    if _PLAIN.fullmatch(name):
        return name
    return "`%s`" % name.replace("\\", "\\\\").replace("`", "\\`")


def _pairs(given: Any, what: str) -> Iterable[Tuple[Any, Any]]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise TypeError("%s is %r, expected a dict" % (what, given))
    return given.items()


def dim_texts(dims: Optional[Dims]) -> List[str]:
    """{"seq": 128, "batch": (1, 8)} as "seq=128", "batch=1..8"."""
    texts = []
    for name, value in _pairs(dims, "dims"):
        if isinstance(value, tuple) and len(value) == 2:
            value = "%d..%d" % tuple(_integer(v, "dim '%s'" % name) for v in value)
        elif not isinstance(value, str):
            value = str(_integer(value, "dim '%s'" % name))
        texts.append("%s=%s" % (_name(name, "dims"), value))
    return texts


def state_texts(states: Optional[States]) -> List[str]:
    """{"past": "present", "k": ("new_k", 64)} as "past=present", "k=new_k:64"."""
    texts = []
    for name, value in _pairs(states, "states"):
        if isinstance(value, tuple) and len(value) == 2:
            value = "%s:%d" % (_name(value[0], "states"), _integer(value[1], "the capacity of state '%s'" % name))
        else:
            value = _name(value, "states")
        texts.append("%s=%s" % (_name(name, "states"), value))
    return texts


def _integer(value: Any, what: str) -> int:
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        raise bad_argument("%s is %r, expected an integer" % (what, value)) from None


def _list(texts: Optional[Sequence[str]], what: str) -> Any:
    """A list of texts that ends with NULL, or None."""
    if texts is None:
        return None
    if not isinstance(texts, (list, tuple)):
        raise TypeError("%s is %r, expected a list of texts" % (what, texts))
    if not texts:
        return None
    return (ctypes.c_char_p * (len(texts) + 1))(*[encoded(t, what) for t in texts], None)


def encoded(text: Any, what: str) -> bytes:
    """The bytes of a text or path that C can take."""
    if not isinstance(text, (str, bytes, os.PathLike)):
        raise TypeError("%s is %r, expected a text" % (what, text))
    data = os.fsencode(text)
    if b"\0" in data:
        raise bad_argument("%s %r has a zero byte" % (what, text))
    return data


def _text(text: Optional[str], what: str) -> Optional[bytes]:
    return None if text is None else encoded(text, what)


def make(*, dims: Optional[Dims] = None, states: Optional[States] = None, target: Optional[str] = None,
         level: Union[int, str, None] = None, backend: Optional[str] = None, name: Optional[str] = None, naive: bool = False,
         passes: Optional[Sequence[str]] = None, verify: bool = False, weights: Optional[str] = None,
         strict: bool = False, tuning: Union[str, "os.PathLike[str]", None] = None,
         enable: Optional[Sequence[str]] = None, disable: Optional[Sequence[str]] = None,
         relax: Optional[str] = None, header: bool = True, prefer: Optional[str] = None,
         **unknown: Any) -> CompileOptions:
    """The options of fv_compile and fv_compile_file; docs/python.md explains them."""
    for option in unknown:
        raise TypeError("there is no option '%s'" % option)
    letter = "2" if level is None else str(level)
    if letter not in ("0", "1", "2", "3", "s"):
        raise bad_argument("level is %r, expected 0, 1, 2, 3 or 's'" % (level,))
    backend = "jit" if backend is None else backend
    if backend not in _BACKENDS:
        raise bad_argument("backend is %r, expected 'jit', 'interp' or 'c'" % (backend,))
    o = CompileOptions(size=ctypes.sizeof(CompileOptions))
    o.level, o.backend = letter.encode(), _BACKENDS[backend]
    o.naive, o.verify, o.strict = bool(naive), bool(verify), bool(strict)
    o.dims, o.states = _list(dim_texts(dims), "dims"), _list(state_texts(states), "states")
    o.passes, o.enable, o.disable = _list(passes, "passes"), _list(enable, "enable"), _list(disable, "disable")
    o.target, o.name, o.weights = _text(target, "target"), _text(name, "name"), _text(weights, "weights")
    o.tuning = None if tuning is None else encoded(tuning, "tuning")
    o.relax, o.no_header = _text(relax, "relax"), not header
    o.prefer = _text(prefer, "prefer")
    return o
