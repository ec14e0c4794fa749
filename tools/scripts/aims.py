"""Measures the aims in a file (tools/scripts/aims.txt describes its format), and prints for each whether it is met.

Started by `tools/bench --aims`. Times of two models are compared round by round, and the two take turns in being first; shares
are relative to what the machine reaches in the same rounds, since other processes may slow it down at any time. The last line
is the number of aims that are met. The status is 1 if one could not be measured; an aim that is missed, or that is skipped
because something it needs is absent, is printed but is no failure."""
import argparse
import json
import os
import re
import statistics
import struct
import sys

from performance import Absent, Bench, Failed, load, machine, run, say

HEADS, SIZE, WINDOW = 12, 64, 256
AIM = re.compile(r"at (least|most) ([\d.]+) (?:of (?:the )?([\w-]+)|(MiB))$")

# ---- models of one attention ----

MASKS = {  # what is in front of the softmax: of the scaled scores %s makes %m
    "full": "",
    "causal": "  %c = LessOrEqual(%j, %i)\n  %m = Where(%c, %s, @inf)\n",
    "window": "  %far = Sub(%i, @window)\n  %c = LessOrEqual(%j, %i)\n  %d = Less(%far, %j)\n  %e = And(%c, %d)\n"
              "  %m = Where(%e, %s, @inf)\n",
    "padding": "  %m = Where(%kept, %s, @inf)\n",
    "padding-inf": "  %b = Where(%kept, @zero, @inf)\n  %m = Add(%s, %b)\n",
    "padding-low": "  %b = Where(%kept, @zero, @low)\n  %m = Add(%s, %b)\n",
}
POSITIONS = """  %shape = Shape(%q)
  %n = Gather(%shape, @one)
  %j = Range(@start, %n, @one)
  %i = Unsqueeze(%j, @column)
"""


def attention(kind):
    mask = MASKS[kind]
    kept = ", %kept: bool[1, 1, n]" if "%kept" in mask else ""
    return f"""fovea-ir 1
module "{kind}"
symbol n 1..8192
const @scale: f32[] = 0.125
const @zero: f32[] = 0.0
const @inf: f32[] = -inf
const @low: f32[] = -3.4028235e+38
const @start: i64[] = 0
const @one: i64[] = 1
const @window: i64[] = {WINDOW}
const @column: i64[1] = [1]
func @main(%q: f32[{HEADS}, n, {SIZE}], %k: f32[{HEADS}, n, {SIZE}], %v: f32[{HEADS}, n, {SIZE}]{kept}) -> (%y) {{
  %t = Transpose(%k) {{perm = [0, 2, 1]}}
  %p = MatMul(%q, %t)
  %s = Mul(%p, @scale)
{POSITIONS if "%j" in mask else ""}{mask}  %w = Softmax(%{"m" if mask else "s"}) {{axis = -1}}    loc("softmax")
  %y = MatMul(%w, %v)
  return %y
}}
"""


def write_npy(path, descr, shape, data):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def write_kept(path, n):
    """Writes a mask that keeps the first half of n keys."""
    write_npy(path, "|b1", (1, 1, n), bytes(i < n - n // 2 for i in range(n)))


def write_padded(path, batch, seq):
    """Writes a mask for rows whose lengths increase in equal steps from seq / batch to seq."""
    mask = [int(i < (b + 1) * seq // batch) for b in range(batch) for i in range(seq)]
    write_npy(path, "<i8", (batch, seq), struct.pack(f"<{len(mask)}q", *mask))


# ---- one aim ----

class Aim:
    def __init__(self, path, number, line):
        fields = [f.strip() for f in line.split("|")]
        said = AIM.match(fields[-1])
        if len(fields) != 4 or not said:
            raise Failed(f"{path}:{number}: is not `name | model | options | at least, or at most, N of WHAT`")
        self.name, self.model, self.text = fields[0], fields[1], fields[3]
        self.options = fields[2].split()
        self.least, self.limit, self.of = said[1] == "least", float(said[2]), said[3] or said[4]

    def is_met(self, value):
        return value >= self.limit if self.least else value <= self.limit


def write_ones(path, batch, total):
    write_npy(path, "<i8", (batch, total), struct.pack("<q", 1) * (batch * total))


def caches(bench, path):
    """Options --state for all caches, with the capacity `room`."""
    status, text, error = run([bench.o.fovea, "inspect", path, "--json"])
    if status:
        raise Failed(error)
    past = [i["name"] for i in json.loads(text)["inputs"] if i["name"].startswith("past_key_values.")]
    return [f"--state={name}={name.replace('past_key_values', 'present', 1)}:room" for name in past]


def prepare(bench, model, options):
    """The path of a model, and the other arguments of `fovea bench`."""
    more = [o for o in options if o not in ("--caches", "--placed", "--padded")]
    at = dict(re.findall(r"(\w+)=(\d+)", " ".join(options)))
    kind = model.removeprefix("attention-")
    if kind == model:
        path = bench.model(model)
        more += bench.inputs(model)
        if "--caches" in options:
            more += caches(bench, path) + [f"--at=room={int(at['past']) + 1}"]
        if "--placed" in options:
            mask = os.path.join(bench.models, f"ones-{at['batch']}-{at['total']}.npy")
            write_ones(mask, int(at["batch"]), int(at["total"]))
            more += caches(bench, path) + [f"--input=attention_mask={mask}"]
        if "--padded" in options:
            mask = os.path.join(bench.models, f"padded-{at['batch']}-{at['seq']}.npy")
            write_padded(mask, int(at["batch"]), int(at["seq"]))
            more.append(f"--input=attention_mask={mask}")
        return path, more
    if kind not in MASKS:
        raise Failed(f"there is no {model}; there are {', '.join('attention-' + k for k in MASKS)}")
    path = os.path.join(bench.models, model + ".fvir")
    with open(path, "w") as f:
        f.write(attention(kind))
    if "%kept" in MASKS[kind]:
        kept = os.path.join(bench.models, f"kept-{at['n']}.npy")
        write_kept(kept, int(at["n"]))
        more.append(f"--input=kept={kept}")
    return path, more


def ratio_of(bench, aim):
    """The median over rounds of this model's time divided by the other model's."""
    own = [o.removeprefix("+") for o in aim.options]
    this, other = prepare(bench, aim.model, own), prepare(bench, aim.of, [o for o in aim.options if not o.startswith("+")])
    once = Bench(argparse.Namespace(**{**vars(bench.o), "rounds": 1, "seconds": bench.o.seconds / bench.o.rounds}))
    ratios = []
    for i in range(bench.o.rounds):
        times = {}
        for which in (0, 1) if i % 2 else (1, 0):
            path, more = (this, other)[which]
            times[which] = once(path, *more)[0]["median_ms"]
        ratios.append(times[0] / times[1])
    return statistics.median(ratios), f"{min(ratios):.2f} - {max(ratios):.2f}"


def share_of(bench, aim):
    path, more = prepare(bench, aim.model, aim.options)
    if aim.of == "onnxruntime":
        if not bench.o.onnxruntime:
            raise Absent("there is no ONNX Runtime")
        more = [*more, f"--against={bench.o.onnxruntime}"]
    r = bench(path, *more)[0]
    if aim.of == "onnxruntime":
        ratios = [x["median_ms"] / x["against_ms"] for x in r["rounds"]]
        return r["against"]["round_ratio"], f"{min(ratios):.2f} - {max(ratios):.2f}"
    if aim.of == "MiB":
        return r["memory"]["workspace_bytes"] / 2**20, ""
    done = r["gflop"] if aim.of == "peak" else r["gbyte"]
    shares = [done / x["median_ms"] * 1e3 / x["peak_gflops" if aim.of == "peak" else "peak_gbs"] for x in r["rounds"]]
    return statistics.median(shares), f"{min(shares):.2f} - {max(shares):.2f}"


# Counts the weights of a model that are multiplied as bytes, if each is multiplied once for a token.
COUNT = """
import sys
import onnx
graph = onnx.load(sys.argv[1]).graph
shapes = {i.name: i.dims for i in graph.initializer}
made = {o: n for n in graph.node for o in n.output}
def weight(name):  # the constant that a value is made of, and whether it is dequantized
    n = made.get(name)
    if n is None or n.op_type not in ("DequantizeLinear", "Transpose"):
        return name, False
    constant, narrow = weight(n.input[0])
    return constant, narrow or n.op_type == "DequantizeLinear"
total = 0
for n in graph.node:
    if n.op_type == "ConvInteger" or n.op_type == "Conv" and weight(n.input[1])[1]:
        sys.exit("error: the products of bytes of a convolution are not counted")
    if n.op_type in ("MatMulInteger", "MatMul", "Gemm", "MatMulNBits"):
        w, narrow = weight(n.input[1])
        if n.op_type == "MatMulNBits":
            total += next(a.i for a in n.attribute if a.name == "N") * next(a.i for a in n.attribute if a.name == "K")
        elif w in shapes and len(shapes[w]) == 2 and (narrow or n.op_type == "MatMulInteger"):
            total += shapes[w][0] * shapes[w][1]
print(total)
"""


def byte_products(path, options):
    """The products of bytes with weights, of which each token has one for each weight."""
    at = dict(re.findall(r"--at=?\s*(\w+)=(\d+)", " ".join(options)))
    status, text, error = run(["/usr/bin/python3", "-c", COUNT, path])
    if status:
        raise Failed(f"the products of bytes could not be counted: {error}")
    return int(text) * int(at.get("batch", 1)) * int(at.get("seq", 1))


def share_of_roof(bench, aim):
    """The time at the measured peaks, divided by the time. Products of bytes with weights count at the peak of dot products (of those of
    vectors, also where the code multiplies matrices), operations on floats at the peak of multiply-adds."""
    path, more = prepare(bench, aim.model, aim.options)
    r, products = bench(path, *more)[0], byte_products(path, aim.options) * 1e-9
    if products and not r["peak_gdots"]:
        raise Absent("the peak of dot products of this machine is not known")
    shares = []
    for x in r["rounds"]:
        arithmetic = r["gflop"] / x["peak_gflops"] + (products / r["peak_gdots"] if products else 0)
        shares.append(max(arithmetic, r["gbyte"] / x["peak_gbs"]) * 1e3 / x["median_ms"])
    return statistics.median(shares), f"{min(shares):.2f} - {max(shares):.2f}"


def measure(bench, aim):
    if aim.of == "roof":
        return share_of_roof(bench, aim)
    return (share_of if aim.of in ("peak", "bandwidth", "onnxruntime", "MiB") else ratio_of)(bench, aim)


# ---- all ----

def read(path):
    with open(path) as f:
        lines = [(i, line.strip()) for i, line in enumerate(f, 1)]
    return [Aim(path, i, line) for i, line in lines if line and not line.startswith("#")]


def main():
    parser = argparse.ArgumentParser()
    for name in ("--fovea", "--writer", "--folder", "--aims"):
        parser.add_argument(name, required=True)
    parser.add_argument("--onnxruntime", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    o = parser.parse_args()
    o.quick = False
    try:
        aims = read(o.aims)
    except (OSError, Failed) as e:
        say(f"error: {e}")
        return 2
    bench, m = Bench(o), machine(o)
    say(f"{m['cpu']}{', ' + m['processor'] if m['processor'] else ''}, {m['cores']} cores, {m['fovea']} ({m['commit']}), {m['date']}, load {m['load_before']:.2f}; "
        f"{o.rounds} rounds of {o.seconds / o.rounds:g} s\n\n| point | aim | measured | in the rounds | |\n| --- | --- | --- | --- | --- |")
    counts = {"met": 0, "missed": 0, "skipped": 0, "not measured": 0}
    for aim in (a for a in aims if o.only in a.name):
        try:
            value, within = measure(bench, aim)
            what, shown = ("met" if aim.is_met(value) else "missed"), f"{value:.3g}"
        except Absent as e:
            what, shown, within = "skipped", str(e), ""
        except (Failed, KeyError, ValueError, TypeError) as e:
            what, shown, within = "not measured", str(e) or type(e).__name__, ""
        counts[what] += 1
        say(f"| {aim.name} | {aim.text} | {shown} | {within} | {'**missed**' if what == 'missed' else what} |")
    say("\n" + ", ".join(f"{n} {what}" for what, n in counts.items()) + f"; load {load():.2f}")
    return counts["not measured"] > 0


if __name__ == "__main__":
    sys.exit(main())
