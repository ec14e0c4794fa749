"""Compares the time of a pair of operators with the sum of their times alone: fusion and layout must not make them slower.

    pairs.py --fovea=build/gcc/tools/fovea --folder=DIR [--only=TEXT] [--rounds=N] [--onnxruntime=LIB]

For each producer (a Conv, a MaxPool of one, a MatMul, ...) and each norm, softmax and reduction along each axis there are three models:
the pair, and each of the two alone. They are timed alternately with one thread; the best run of all rounds counts, since other processes
may slow down single runs. Prints a line for each pair, and last the number of pairs that take at most 1.1 times as long as both alone;
with a library of ONNX Runtime also its time for the pair. The status is 1 if a pair takes longer. It is a measurement, not a test."""
import argparse
import json
import os
import subprocess
import sys

LIMIT = 1.1
N, H, W = 16, 96, 96

CONSTS = {  # name: type
    "w": f"f32[{N}, {N}, 3, 3]", "d": f"f32[{N}, 1, 3, 3]", "t": f"f32[{N}, {N}, 2, 2]", "m": f"f32[{W}, {W}]",
}
PADS = "{pads = [1, 1, 1, 1]}"
CONV = f"  %c = Conv(%x, @w) {PADS}\n"
IMAGE, HALF, TWICE = [1, N, H, W], [1, N, H // 2, W // 2], [1, N, 2 * H, 2 * W]
PRODUCERS = {  # name: shape of x, lines that make %h, its shape
    "Conv": (IMAGE, f"  %h = Conv(%x, @w) {PADS}\n", IMAGE),
    "depthwise": (IMAGE, f"  %h = Conv(%x, @d) {{group = {N}, pads = [1, 1, 1, 1]}}\n", IMAGE),
    "ConvTranspose": (HALF, "  %h = ConvTranspose(%x, @t) {strides = [2, 2]}\n", IMAGE),
    "MaxPool(Conv)": (IMAGE, CONV + "  %h = MaxPool(%c) {kernel_shape = [2, 2], strides = [2, 2]}\n", HALF),
    "AveragePool(Conv)": (IMAGE, CONV + "  %h = AveragePool(%c) {kernel_shape = [2, 2], strides = [2, 2]}\n", HALF),
    "Resize(Conv)": (HALF, CONV + "  %h = Resize(%c, _, _, @sizes) {mode = \"linear\"}\n", IMAGE),
    "Relu(Conv)": (IMAGE, CONV + "  %h = Relu(%c)\n", IMAGE),
    "Add(Conv, Conv)": (IMAGE, CONV + "  %e = Conv(%x, @w) {pads = [1, 1, 1, 1]}\n  %r = Relu(%e)\n  %h = Add(%c, %r)\n", IMAGE),
    "Concat(Conv, x)": (IMAGE, CONV + "  %h = Concat(%c, %x) {axis = 1}\n", [1, 2 * N, H, W]),
    "Transpose": (IMAGE, "  %h = Transpose(%x) {perm = [0, 2, 3, 1]}\n", [1, H, W, N]),
    "MatMul": ([1, N, H, W], "  %h = MatMul(%x, @m)\n", IMAGE),
    "Gemm": ([8 * W, W], "  %h = Gemm(%x, @m)\n", [8 * W, W]),
}


def tensor(shape):
    return f"f32[{', '.join(map(str, shape))}]"


def consumers(shape):
    """For each consumer of a value of that shape: its name, its constants, and the line that computes %y from %h."""
    for axis in range(1 if len(shape) > 2 else 0, len(shape)):
        yield f"Softmax {axis}", {}, f"  %y = Softmax(%h) {{axis = {axis}}}\n"
        yield f"ReduceMean {axis}", {}, f"  %y = ReduceMean(%h, @axes{axis})\n"
        if axis:
            yield f"LayerNorm {axis}", {"scale": shape[axis:]}, f"  %y = LayerNormalization(%h, @scale) {{axis = {axis}}}\n"
    if len(shape) == 4:
        yield "InstanceNorm", {"g": shape[1:2]}, "  %y = InstanceNormalization(%h, @g, @g)\n"
        yield "GroupNorm", {"g": shape[1:2]}, "  %y = GroupNormalization(%h, @g, @g) {num_groups = 4}\n"


def text(param, shape, lines, result, more):
    head = ["fovea-ir 1", 'module "pair"']
    types = {**CONSTS, **{k: tensor(v) for k, v in more.items()}}
    for name, kind in types.items():
        if f"@{name}" in lines.replace(",", " ").replace(")", " ").split():
            size = 4
            for n in kind[4:-1].split(", "):
                size *= int(n)
            head.append(f'const @{name}: {kind} = file "data.bin" 0 {size}')
    for axis in range(4):
        if f"@axes{axis}" in lines:
            head.append(f"const @axes{axis}: i64[1] = [{axis}]")
    if "@sizes" in lines:
        head.append(f"const @sizes: i64[4] = [1, {N}, {H}, {W}]")
    return "\n".join(head) + f"\nfunc @main(%{param}: {tensor(shape)}) -> (%{result}) {{\n{lines}  return %{result}\n}}\n"


class Bench:
    def __init__(self, o):
        self.o = o
        self.env = {**os.environ, "FOVEA_CACHE_DIR": os.path.join(o.folder, "cache")}  # each model is compiled once
        os.makedirs(self.env["FOVEA_CACHE_DIR"], exist_ok=True)
        with open(os.path.join(o.folder, "data.bin"), "wb") as f:
            f.write(b"\x00\x00\x80\x3c\x00\x00\x00\xbd\x00\x00\xc0\x3c" * 200000)  # 1/64, -1/32, 3/128

    def write(self, name, content):
        path = os.path.join(self.o.folder, "".join(c if c.isalnum() else "_" for c in name) + ".fvir")
        with open(path, "w", encoding="ascii") as f:
            f.write(content)
        return path

    def best(self, path, *more):
        command = [self.o.fovea, "bench", path, "--json", "-q", "--threads=1", "--rounds=1", f"--seconds={self.o.seconds}", *more]
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, check=False)
        if not done.stdout.strip():
            sys.exit(f"{path}: {done.stderr}")
        document = json.loads(done.stdout)
        return document.get("results", [document])[0]

    def theirs(self, path):
        model = path.replace(".fvir", ".onnx")
        if subprocess.run([self.o.fovea, "opt", path, "-o", model, "-q"], capture_output=True, check=False).returncode:
            return None
        return self.best(model, f"--against={self.o.onnxruntime}").get("against", {}).get("min_ms")

    def times(self, paths):
        least = {}
        for _ in range(self.o.rounds):
            for p in paths:
                t = self.best(p)["min_ms"]
                least[p] = min(t, least.get(p, t))
        return [least[p] for p in paths]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fovea", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--onnxruntime", default="")
    o = parser.parse_args()
    os.makedirs(o.folder, exist_ok=True)
    bench = Bench(o)
    within = beyond = 0
    for producer, (given, lines, made) in PRODUCERS.items():
        first = bench.write(producer, text("x", given, lines, "h", {}))
        for consumer, more, line in consumers(made):
            name = f"{producer}, {consumer}"
            if o.only not in name:
                continue
            second = bench.write(f"{consumer} of {made}", text("h", made, line, "y", more))
            pair, a, b = bench.times([bench.write(name, text("x", given, lines + line, "y", more)), first, second])
            slow = pair > LIMIT * (a + b)
            within, beyond = within + (not slow), beyond + slow
            theirs = bench.theirs(bench.write(name, text("x", given, lines + line, "y", more))) if o.onnxruntime else None
            other = f"   ONNX Runtime {theirs:8.4f}" if theirs else ""
            print(f"{name:36} {pair:8.4f} ms, apart {a:8.4f} + {b:8.4f}: {pair / (a + b):5.2f}{' SLOW' if slow else ''}{other}", flush=True)
    print(f"{within} within {LIMIT}, {beyond} beyond")
    return beyond > 0


if __name__ == "__main__":
    sys.exit(main())
