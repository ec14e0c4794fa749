"""Experiments with models, by the command: where two ways to run a model differ, and the weights of
its attentions."""
import os
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from . import options
from .command import arguments_of, ask
from .errors import bad_argument

Level = Union[int, str, None]


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


def _input_options(feeds: Optional[Mapping[str, Any]], folder: str) -> List[str]:
    if feeds is not None and not isinstance(feeds, Mapping):
        raise bad_argument("the inputs are of type %s, expected a dict of names and arrays" % type(feeds).__name__)
    return [_write_input(os.path.join(folder, "input_%d" % i), name, value)
            for i, (name, value) in enumerate((feeds or {}).items())]


def _sides(value: Any, what: str) -> List[str]:
    """One value for both sides, or a pair."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    if len(values) not in (1, 2):
        raise bad_argument("%s is %r, expected one value or two" % (what, value))
    return [str(v) for v in values]


def diff(a: Any, b: Any = None, feeds: Optional[Mapping[str, Any]] = None, *, dims: Optional[options.Dims] = None,
         states: Optional[options.States] = None, target: Optional[str] = None,
         backends: Union[str, Tuple[str, str], None] = None, levels: Union[int, str, Tuple[Level, Level], None] = None,
         atol: Optional[float] = None, rtol: Optional[float] = None, seed: Optional[int] = None) -> Dict[str, Any]:
    """Where two models, or two ways to run one model, differ: what `fovea diff --json` prints.

    a, b              models, as for Session; b None: the model `a` on both sides
    feeds             values of inputs by name; those that are missing are random
    backends, levels  one value, or a pair of values for the two sides: ("interp", "jit"), (0, 3).
                      If neither is given, and b is None, unoptimized code is compared with level 2
    atol, rtol        how much values may differ, absolutely and relative to that of `a`
    seed              of random inputs
    dims, states, target  as for Session
    """
    arguments = arguments_of(dims, states, target, None)
    if backends is not None:
        arguments.append("--backend=" + ",".join(_sides(backends, "backends")))
    if levels is not None:
        arguments.append("--levels=" + ",".join(_sides(levels, "levels")))
    for name, value in (("atol", atol), ("rtol", rtol), ("seed", seed)):
        if value is not None:
            arguments.append("--%s=%s" % (name, value))
    with tempfile.TemporaryDirectory(prefix="fovea-") as folder:
        arguments += _input_options(feeds, folder)
        return ask("diff", [a] if b is None else [a, b], arguments)


class AttentionMaps(Dict[str, Any]):
    """Weights of attentions: an array for each, by the name of the node of its softmax.

    page  an HTML page that shows them as heat maps; a notebook shows it by itself
    """

    page: str = ""

    def _repr_html_(self) -> str:
        import html

        return '<iframe srcdoc="%s" style="width: 100%%; height: 40em; border: 0"></iframe>' % html.escape(self.page)


def attention_maps(model: Any, feeds: Optional[Mapping[str, Any]] = None, *, dims: Optional[options.Dims] = None,
                   states: Optional[options.States] = None, target: Optional[str] = None, level: Level = None,
                   labels: Any = None, seed: Optional[int] = None) -> AttentionMaps:
    """The weights of each attention of a model: what `fovea run --attention-maps` writes.

    feeds   values of inputs by name; those that are missing are random
    labels  names of queries and keys on the page: a list of strings, one for each query or key, or
            {"queries": [...], "keys": [...]}
    seed    of random inputs
    model, dims, states, target, level  as for Session
    """
    import json

    arguments = arguments_of(dims, states, target, level)
    if seed is not None:
        arguments.append("--seed=%s" % seed)
    with tempfile.TemporaryDirectory(prefix="fovea-") as folder:
        if labels is not None:
            path = os.path.join(folder, "labels.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump(labels, f)
            arguments.append("--labels=" + path)
        arguments += _input_options(feeds, folder)
        found = ask("run", [model], arguments + ["--attention-maps=" + os.path.join(folder, "maps")])
        maps = AttentionMaps()
        for entry in found["attention_maps"]:
            if entry["softmax"] is None:
                with open(entry["file"], encoding="utf-8") as f:
                    maps.page = f.read()
            else:
                maps[entry["softmax"]] = np.load(entry["file"])
    return maps
