"""Experiments with models, by the command: where two ways to run a model differ, and the weights of
its attentions."""
import os
import re
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from . import options
from .command import arguments_of, ask
from .errors import bad_argument
from .feeds import input_options
from .notebook import Differences

Level = Union[int, str, None]
_FILE_LINK = re.compile(r' All weights: <a href="[^"]*\.npy">[^<]*</a>')  # the files are not next to the page


def _sides(value: Any, what: str) -> List[str]:
    """One value for both sides, or a pair."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    if len(values) not in (1, 2):
        raise bad_argument("%s is %r, expected one value or two" % (what, value))
    return [str(v) for v in values]


def diff(a: Any, b: Any = None, feeds: Optional[Mapping[str, Any]] = None, *, dims: Optional[options.Dims] = None,
         target: Optional[str] = None,
         backends: Union[str, Tuple[str, str], None] = None, levels: Union[int, str, Tuple[Level, Level], None] = None,
         atol: Optional[float] = None, rtol: Optional[float] = None, seed: Optional[int] = None) -> Differences:
    """Where two models, or two ways to run one model, differ: what `fovea diff --json` prints.

    a, b              models, as for Session; b None: the model `a` on both sides
    feeds             values of inputs by name; those that are missing are random
    backends, levels  one value, or a pair of values for the two sides: ("interp", "jit"), (0, 3).
                      If neither is given, and b is None, unoptimized code is compared with level 2
    atol, rtol        how much values may differ, absolutely and relative to that of `a`
    seed              of random inputs
    dims, target      as for Session
    """
    arguments = arguments_of(dims, None, target, None)
    if backends is not None:
        arguments.append("--backend=" + ",".join(_sides(backends, "backends")))
    if levels is not None:
        arguments.append("--levels=" + ",".join(_sides(levels, "levels")))
    for name, value in (("atol", atol), ("rtol", rtol), ("seed", seed)):
        if value is not None:
            arguments.append("--%s=%s" % (name, value))
    with tempfile.TemporaryDirectory(prefix="fovea-") as folder:
        arguments += input_options(feeds, folder)
        return Differences(ask("diff", [a] if b is None else [a, b], arguments, folder))


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
        arguments += input_options(feeds, folder)
        found = ask("run", [model], arguments + ["--attention-maps=" + os.path.join(folder, "maps")], folder)
        maps = AttentionMaps()
        for entry in found["attention_maps"]:
            if entry["softmax"] is None:
                with open(entry["file"], encoding="utf-8") as f:
                    maps.page = _FILE_LINK.sub("", f.read())
            else:
                maps[entry["softmax"]] = np.load(entry["file"])
    return maps
