"""Quantizing the weights of models, by the command."""
import os
import tempfile
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Union

from . import options
from .command import arguments_of, ask
from .errors import bad_argument
from .feeds import input_options, write_data_sets
from .notebook import Quantization

Path = Union[str, "os.PathLike[str]"]
DataSets = Union[Path, Iterable[Mapping[str, Any]], None]


def _texts(value: Union[str, Sequence[str]], what: str) -> List[str]:
    found = [value] if isinstance(value, str) else list(value)
    for text in found:
        if not isinstance(text, str):
            raise bad_argument("%s is %r, expected texts" % (what, text))
    return found


def _calibration(calibrate: DataSets, folder: str) -> List[str]:
    """The option for data sets that are a folder, or dicts of arrays that are written to `folder`."""
    if calibrate is None:
        return []
    if isinstance(calibrate, (str, os.PathLike)):
        return ["--calibrate=" + os.fsdecode(options.encoded(calibrate, "calibrate"))]
    if isinstance(calibrate, Mapping):
        calibrate = [calibrate]
    if not hasattr(calibrate, "__iter__"):
        raise bad_argument("calibrate is %r, expected a folder or a list of dicts of arrays" % (calibrate,))
    sets = os.path.join(folder, "calibration")
    if not write_data_sets(sets, calibrate):
        raise bad_argument("calibrate is empty, expected at least one data set")
    return ["--calibrate=" + sets]


def quantize(model: Any, output: Path, *, to: Union[str, Sequence[str]] = "int8", block: Optional[int] = None,
             zero_points: bool = False, reduce_range: bool = False, weights_only: bool = False,
             calibrate: DataSets = None, range: Optional[str] = None, percentile: Optional[float] = None, qdq: bool = False,
             skip: Union[str, Sequence[str]] = (), budget: Optional[float] = None, search: bool = False,
             chart: Optional[Path] = None, feeds: Optional[Mapping[str, Any]] = None, seed: Optional[int] = None,
             dims: Optional[options.Dims] = None, target: Optional[str] = None) -> Quantization:
    """Gives the weights of a model a narrower type, and measures the errors, as `fovea quantize` does.
    Returns what the command prints with --json: bytes before and after, the error of the outputs if
    it was measured, and a dict for each layer.

    model         as for Session
    output        an ONNX model, or graph IR (.fvir)
    to            "int8", "int4", "bf16" or "f16"; with search a list of them
    block         terms that have one scale: 16 to 256
    zero_points   weights of int8 and int4 get zero points
    reduce_range  weights of int8 have codes of 7 bits: faster on x86 without VNNI
    weights_only  activations stay as they are
    calibrate     data sets by which the ranges of activations are measured: a folder, or dicts of
                  arrays; None: activations are quantized by their range in each run
    range, percentile  how ranges are found: "minmax", "percentile", "entropy"
    qdq           blocks as DequantizeLinear of the standard
    skip          layers that stay f32: nodes, operators or patterns
    budget        the greatest error of the outputs: as many layers stay f32 as needed
    search        gives each layer the narrowest type of `to` that the budget allows
    chart         an SVG file for a drawing of the errors
    feeds, seed   inputs by which errors are measured; those that are missing are random, from seed
    dims, target  as for Session
    """
    arguments = arguments_of(dims, None, target, None) + ["--to=" + ",".join(_texts(to, "to"))]
    arguments += ["--skip=" + layer for layer in _texts(skip, "skip")]
    for option, value in (("block", block), ("range", range), ("percentile", percentile), ("budget", budget),
                          ("seed", seed)):
        if value is not None:
            arguments.append("--%s=%s" % (option, value))
    for option, is_set in (("zero-points", zero_points), ("reduce-range", reduce_range), ("weights-only", weights_only),
                           ("qdq", qdq), ("search", search)):
        arguments += ["--" + option] if is_set else []
    for option, path in (("output", output), ("chart", chart)):
        if path is not None:
            arguments.append("--%s=%s" % (option, os.fsdecode(options.encoded(path, option))))
    with tempfile.TemporaryDirectory(prefix="fovea-") as folder:
        arguments += _calibration(calibrate, folder) + input_options(feeds, folder)
        return Quantization(ask("quantize", [model], arguments, folder))
