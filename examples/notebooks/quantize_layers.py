"""Quantizes a model, and draws the error layer by layer.

usage: quantize_layers.py [CHART.svg]"""
# %% weights of int8, the ranges of activations measured on data
import sys
import tempfile
from pathlib import Path

import fovea
import numpy as np

DATES = Path(__file__).parents[1] / "dates/dates.onnx"
folder = Path(tempfile.mkdtemp())
chart = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "errors.svg"


def bytes_of(date):
    return np.frombuffer(date.encode().ljust(40, b"\0"), np.uint8).astype(np.int32)[None]


data = [{"text": bytes_of(d)} for d in ("3 May 1979", "05/03/79", "the 1ST of january, 2001")]
found = fovea.quantize(DATES, folder / "dates8.onnx", calibrate=data, chart=chart)
print("%d kB of weights, %d kB before; error of the outputs %.1e" % (
    found["bytes"] // 1000, found["bytes_before"] // 1000, found["error"]))

# %% the layers with the largest errors, as bars; a notebook shows `found` as a table with bars by itself
layers = [x for x in found["layers"] if x["error"] is not None]
for layer in sorted(layers, key=lambda x: -x["error"])[:5]:
    print("%-42s %-5s %.1e %s" % (layer["layer"], layer["type"], layer["error"], "#" * int(1500 * layer["error"])))
print(chart.name, "has", chart.read_text().count("<rect"), "rectangles")

# %% a limit for the error of the outputs: the layers with the largest errors stay f32
for budget in (1e-4, 1e-6):
    found = fovea.quantize(DATES, folder / "limited.onnx", calibrate=data, budget=budget)
    kept = [x["layer"] for x in found["layers"] if x["type"] == "f32"]
    print("budget %.0e: error %.1e, %d kB, %d layers in f32" % (budget, found["error"], found["bytes"] // 1000, len(kept)))

# %% both models read the same date
for model in (DATES, folder / "dates8.onnx"):
    probs = fovea.Session(model)(bytes_of("Thursday, March 2nd 1999"))
    print("".join("0123456789-"[i] for i in probs[0].argmax(axis=1)))
