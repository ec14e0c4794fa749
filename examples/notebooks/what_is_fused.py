"""Lists what was fused in a model, from the JSON of `fovea inspect`."""
# %% a kernel computes one operator of the model, or several
from pathlib import Path

import fovea

found = fovea.inspect(Path(__file__).parents[1] / "dates/dates.onnx", target="x86-64-v3")
operators = sum(op["model"] for op in found["ops"])
left = sum(op["after_passes"] for op in found["ops"])
kernels = found["schedules"]
print("%d operators, %d after the passes, %d kernels with %d launches" % (
    operators, left, len(kernels), sum(k["launches"] for k in kernels)))

# %% the kernels that compute most nodes
for kernel in sorted(kernels, key=lambda k: -len(k["from"].split(", ")))[:4]:
    nodes = kernel["from"].split(", ")
    print("%-14s launches %d, %2d nodes: %s, ..." % (kernel["kernel"], kernel["launches"], len(nodes), ", ".join(nodes[:3])))

# %% attention: what is one kernel, and the reasons of what is not
print("%d of %d softmaxes fused" % (found["softmax_fused"], found["softmax_total"]))
for a in found["attention"]:
    print("%-30s %-6s %d heads of %d, mask %s, fused %s" % (
        a["softmax"], a["kind"], a["query_heads"], a["head_size"], "+".join(a["mask"]) or "none", a["fused"]))

# %% memory
memory = found["memory"]
print("weights %d kB, workspace %d kB, at least %d kB" % tuple(
    memory[name] // 1000 for name in ("weights_bytes", "workspace_bytes", "lower_bound_bytes")))
