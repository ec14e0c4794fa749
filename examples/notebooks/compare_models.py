"""Finds where two models differ first, and by how much."""
# %% a model, and one whose weights are bf16
import tempfile
from pathlib import Path

import fovea
import numpy as np

DATES = Path(__file__).parents[1] / "dates/dates.onnx"
folder = Path(tempfile.mkdtemp())
text = np.zeros((1, 40), np.int32)
text[0, :10] = list(b"3 May 1979")
fovea.quantize(DATES, folder / "narrow.onnx", to="bf16")
found = fovea.diff(DATES, folder / "narrow.onnx", {"text": text}, atol=1e-3, rtol=1e-2)
print(found["compared"], "values compared,", found["differing"], "differ")

# %% the first values that differ, in the order of the model
for value in [v for v in found["values"] if v["differs"]][:3]:
    print("%-40s %-8s %.1e" % (value["name"], value["op"], value["absolute"]))

# %% the outputs
output = found["values"][-1]
print(output["name"], "differs by at most %.1e" % output["absolute"])

# %% one model in two ways: the interpreter and native code give the same bits
found = fovea.diff(DATES, None, {"text": text}, backends=("interp", "jit"), levels=2, atol=0, rtol=0)
print(found["compared"], "values compared,", found["differing"], "differ")
