"""Attention maps of a sentence as pictures: which characters of a date the model looks at.

usage: look_at_attention.py [PAGE.html]"""
# %% the weights of all attentions
import sys
import tempfile
from pathlib import Path

import fovea
import numpy as np

DATES = Path(__file__).parents[1] / "dates/dates.onnx"
page = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "maps.html"
date = "3 May 1979"
text = np.zeros((1, 40), np.int32)
text[0, :len(date)] = list(date.encode())
maps = fovea.attention_maps(DATES, {"text": text}, labels={"keys": list(date.ljust(40, "-"))})
for name, weights in maps.items():
    print(name, weights.shape)

# %% a page for a browser; a notebook shows `maps` by itself
page.write_text(maps.page)
print(page.name, "is an HTML page:", maps.page.startswith("<!DOCTYPE html>"))

# %% the cross attention as text: for each symbol of the answer, the characters with the largest weights
name, weights = [(n, w) for n, w in maps.items() if w.shape[2] != w.shape[3]][0]
answer = "".join("0123456789-"[i] for i in fovea.Session(DATES)(text)[0].argmax(axis=1))
print(name)
for symbol, row in zip(answer, weights[0].mean(axis=0)):
    print(repr(symbol), "".join(" .:+*#"[min(5, int(12 * w))] for w in row[:len(date)]), "|")
print("   ", date)
