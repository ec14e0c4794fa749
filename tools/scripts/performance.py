"""Measures the points of POINTS with `fovea bench`, and writes performance.md and performance.svg.

Started by tools/bench, which builds Fovea and finds ONNX Runtime. A point that fails is reported with
its message. A point whose model no script can write is skipped, which is reported. The results are
stored in FOLDER/results.json."""
import argparse
import array
import datetime
import glob
import json
import os
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import time

# ---- what is measured ----


def point(model, limits, seq=None, batch=None, past=None, **more):
    at = {k: v for k, v in (("batch", batch), ("seq", seq), ("past", past), *more.items()) if v is not None}
    name = model + "".join(f" {k} {v}" for k, v in at.items())
    return {"name": name, "model": model, "at": at, "limits": limits}


# Compared with ONNX Runtime. The aim is the quotient of our time and its time, with one thread and with two; None: no aim.
POINTS = [
    ("Encoders, 128 tokens", [point(m, (0.90, 0.85), 128, b) for m in ("bert-base", "minilm-l6") for b in (1, 8)]),
    ("Encoders, 384 and 512 tokens",
     [point(m, (0.95, 0.90), s, 1) for m in ("bert-base", "minilm-l6") for s in (384, 512)]),
    ("Encoders, 8 and 32 tokens",
     [point(m, (0.70, 0.70), s, 1) for m in ("bert-base", "minilm-l6") for s in (8, 32)]),
    ("Decoders and vision, the whole input at once",
     [point("gpt2", (0.92, 0.92), 128, 1), point("llama", (0.92, 0.92), 128, 1), point("vit-base", (0.92, 0.92), None, 1)]),
    ("Decoders, one token", [point(m, (0.90, 0.90), 1, 1, 128) for m in ("gpt2-past", "llama-past")]),
    ("Loops, 40 tokens and 16 greedy steps", [point("seq2seq", (0.70, 0.70), 40, 1)]),
    ("Trees, 500 of depth 8", [point(m, (0.5, 0.5), rows=r) for m in ("trees", "trees-classes") for r in (1, 1000)]),
    ("The logarithm of a mel spectrum, 10 s of audio", [point("mel", (0.5, 0.5), samples=160000)]),
    ("Detections, 1000 boxes and 80 classes", [point(m, (0.8, 0.8), n=1000) for m in ("detections", "detections-dense")]),
    ("Small models", [point(m, (0.5, 0.5)) for m in ("mlp", "mcu", "cnn")]),
    ("Convolutional networks and experts",
     [point(m, (1.0, 1.0)) for m in ("vgg19", "resnet50", "resnet50-normalized", "mobilenetv2", "moe-gathered", "unet-block")]),
    ("Others", [point("distilbert", None, 128, 1), point("whisper-tiny-encoder", None, None, 1),
                point("seq2seq-step", None, 40, 1), point("seq2seq-unrolled", None, 40, 1)]),
]
# Models that models.py writes, and the model from which it makes them, if any; bench_models.py writes the others.
OWN = {"llama-gqa": None, "trees": None, "trees-classes": None, "mel": None, "detections": None, "detections-dense": None,
       "vgg19": None, "resnet50": None, "resnet50-normalized": None, "mobilenetv2": None, "dscnn": None, "moe-gathered": None,
       "unet-block": None, "seq2seq-unrolled": "seq2seq"}
# Widths of weights, as the end of a model's name, and the options with which bench_models.py writes them. `-bf16` is made by
# bf16.py of the model in f16; `-qdq` is quantized statically, image networks by models.py, others by `fovea quantize`.
WIDTHS = {"f16": ["--dtype", "float16"], "int8": ["--quant", "int8"], "int4": ["--quant", "int4"]}
# One contraction, [rows, 768] x [768, 3072] + bias: share of the multiply-add peak, or of the read bandwidth.
ROWS = [(32, "peak"), (100, "peak"), (128, "peak"), (512, "peak"), (1, "bandwidth"), (8, "bandwidth")]
COMPILERS = [("JIT", None, 0.88), ("C, gcc", "gcc", 0.85), ("C, clang", "clang-19", 0.85)]
# One product of bytes, [rows, 768] x [768, 3072] with a zero point: share of the peak of dot products, or of products of matrices.
INTEGER_ROWS, INTEGER_LIMIT = (32, 128, 512), 0.85
INTEGER_TARGETS = [("vectors", "x86-64-v4+vnni"), ("native", "native")]
BANDWIDTH = 0.80
C_LIMIT = 1.05
LAYERS, NARROW, WIDE = 8, 768, 3072
MEMORY_LIMIT = 12 << 30  # of a process: a C compiler must not take the machine down
TIME_LIMIT = 1200
IDLE = 0.5  # load of a machine that no other program uses

# ---- running ----


class Failed(Exception):
    pass


class Absent(Failed):
    """Something that a point needs is absent."""


def say(text):
    print(text, flush=True)


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def run(command, **env):
    try:
        r = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, preexec_fn=limit_memory,
                           env={**os.environ, **env})
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {TIME_LIMIT} s")
    except OSError as e:
        raise Failed(str(e))
    errors = [line for line in r.stderr.splitlines() if "error" in line.lower()]
    return r.returncode, r.stdout, errors[0] if errors else f"status {r.returncode}"


class Bench:
    def __init__(self, o):
        self.o = o
        self.models = os.path.join(o.folder, "models")
        os.makedirs(self.models, exist_ok=True)

    def model(self, name):
        path = os.path.join(self.models, name + ".onnx")
        if os.path.exists(path):
            return path
        scripts = os.path.dirname(__file__)
        base, _, width = name.rpartition("-")
        command = ["/usr/bin/python3", self.o.writer, name, path + ".tmp"]
        if name in OWN:
            source = [self.model(OWN[name])] if OWN[name] else []
            command = ["/usr/bin/python3", os.path.join(scripts, "models.py"), name, path + ".tmp", *source]
        elif width == "qdq" and base in OWN:
            command = ["/usr/bin/python3", os.path.join(scripts, "models.py"), base, path + ".tmp", "--quant"]
        elif width == "qdq":
            return self.quantized(base, path)
        elif width == "bf16":
            command = ["/usr/bin/python3", os.path.join(scripts, "bf16.py"), self.model(base + "-f16"), path + ".tmp"]
        elif width in WIDTHS:
            command[2:] = [base, path + ".tmp", *WIDTHS[width]]
        if name not in OWN and (width != "qdq" or base not in OWN) and width != "bf16" and not os.path.exists(self.o.writer):
            raise Absent(f"there is no {os.path.basename(self.o.writer)}, which writes {name}")
        if run(["/usr/bin/python3", "-c", "import onnx, numpy"])[0]:
            raise Absent("python3-onnx and python3-numpy, which models are written with, are not installed")
        status, _, error = run(command)
        if status:
            raise Failed(f"the model could not be written: {error}")
        os.rename(path + ".tmp", path)
        return path

    def quantized(self, base, path):
        """The model with activations of u8, whose ranges are those of one set of random inputs of 128 tokens."""
        data = os.path.join(self.models, base + ".data")
        for command in ([self.o.fovea, "run", self.model(base), "-q", "--dim=batch=1", "--dim=seq=128", f"--save-inputs={data}"],
                        [self.o.fovea, "quantize", self.model(base), "-q", f"--calibrate={data}", "-o", path + ".part.onnx"]):
            status, _, error = run(command)
            if status:
                raise Failed(f"the model could not be quantized: {error}")
        os.rename(path + ".part.onnx", path)
        return path

    def inputs(self, name):
        """Options for the inputs that were written next to a model."""
        files = glob.glob(os.path.join(glob.escape(self.models), name + ".*.npy"))
        return [f"--input={os.path.basename(f).split('.')[-2]}={f}" for f in sorted(files)]

    def __call__(self, path, *more, **env):
        """The results of `fovea bench`, one for each number of threads. They also state which outputs differ."""
        command = [self.o.fovea, "bench", path, "--json", "-q", f"--rounds={self.o.rounds}", f"--seconds={self.o.seconds}"]
        status, out, error = run(command + list(more), **{"FOVEA_CACHE_DIR": "", **env})  # no cache: the model is compiled by this build
        if not out.strip():
            raise Failed(error)
        document = json.loads(out)
        return document.get("results", [document])


def load():
    return os.getloadavg()[0]


# ---- points ----

def measure_point(bench, p, onnxruntime):
    path, arguments = bench.model(p["model"]), [f"--at={k}={v}" for k, v in p["at"].items()] + ["--threads=1,2"]
    if onnxruntime:
        arguments.append(f"--against={onnxruntime}")
    return bench(path, *arguments, *bench.inputs(p["model"]))


def contraction_model(bench):
    """LAYERS pairs of products, so that no weight is still in a cache when it is read again."""
    path = os.path.join(bench.models, "contract.fvir")
    if os.path.exists(path):
        return path
    rng = random.Random(1)
    pattern = array.array("f", (rng.uniform(-1, 1) * (3 / NARROW) ** 0.5 for _ in range(WIDE * 16 + 1)))
    lines, at = [], 0
    body, before = [], "x"
    with open(path + ".bin", "wb") as side:
        for i in range(LAYERS):
            for what, rows, columns in (("up", NARROW, WIDE), ("down", WIDE, NARROW)):
                start = rng.randrange(len(pattern))
                turned = pattern[start:] + pattern[:start]
                values = turned * (rows * columns // len(turned) + 1)
                side.write(values[: rows * columns].tobytes())
                lines.append(f'const @{what}{i}: f32[{rows}, {columns}] = file "contract.fvir.bin" {at} {rows * columns * 4}')
                at += rows * columns * 4
                side.write(values[:columns].tobytes())
                lines.append(f'const @{what}{i}_bias: f32[{columns}] = file "contract.fvir.bin" {at} {columns * 4}')
                at += columns * 4
                body.append(f'  %{what}{i}p = MatMul(%{before}, @{what}{i}) : f32[rows, {columns}]    loc("{what}{i}")')
                body.append(f'  %{what}{i}s = Add(%{what}{i}p, @{what}{i}_bias) : f32[rows, {columns}]    loc("{what}{i} bias")')
                before = f"{what}{i}s"
    text = ["fovea-ir 1", 'module "contract"', "symbol rows 1..4096", *lines,
            f"func @main(%x: f32[rows, {NARROW}]) -> (%{before}) {{", *body, f"  return %{before}", "}", ""]
    with open(path, "w") as f:
        f.write("\n".join(text))
    return path


def measure_contraction(bench, rows, cc):
    more = [f"--at=rows={rows}", "--threads=1", "--profile"]
    env = {"CC": cc} if cc else {}
    if cc:
        more += ["--backend=c", "-O3"]
    r = bench(contraction_model(bench), *more, **env)[0]
    up = [k for k in r["profile"]["launches"] if "up" in k["nodes"] and k["gflops"] is not None]
    if not up:
        raise Failed("no kernel of the profile is the contraction")
    ms = sum(k["ms"] for k in up)
    return {"gflops": sum(k["gflops"] * k["ms"] for k in up) / ms, "gbs": sum(k["gbs"] * k["ms"] for k in up) / ms,
            "ms": ms / len(up), "peak_gflops": r["peak_gflops"], "peak_gbs": r["peak_gbs"]}


def measure_compilers(bench):
    path, at = bench.model("bert-base"), ["--at=batch=1", "--at=seq=128", "--threads=1"]
    out = {}
    for name, cc, _ in COMPILERS[1:]:
        try:
            out[name] = bench(path, *at, "--backend=c", "-O3", "--against=jit", CC=cc)[0]
        except Failed as e:
            out[name] = {"error": str(e)}
    return out


def measure_start(bench):
    """Times of compiling BERT-base with an empty cache, and again with a filled one."""
    path = bench.model("bert-base")
    cache = os.path.join(bench.o.folder, "cache")
    shutil.rmtree(cache, ignore_errors=True)
    more = ["--at=batch=1", "--at=seq=128", "--threads=2"]
    with open(path, "rb") as f:  # into the page cache
        while f.read(1 << 24):
            pass
    cold = bench(path, *more, FOVEA_CACHE_DIR=cache)[0]
    warm = bench(path, *more, FOVEA_CACHE_DIR=cache)[0]
    shutil.rmtree(cache)
    if cold["compile"]["cached"] or not warm["compile"]["cached"]:
        raise Failed("the cache does not do what it should")
    return {"cold": cold["compile"], "warm": warm["compile"], "memory": cold["memory"], "warm_memory": warm["memory"],
            "file_bytes": os.path.getsize(path)}


def measure_activations(bench):
    out = {}
    for model, dims in (("bert-base", ["batch=1", "seq=128"]), ("gpt2", ["batch=1", "seq=128"]), ("vit-base", ["batch=1"])):
        command = [bench.o.fovea, "inspect", bench.model(model), "--memory", "--json", *[f"--dim={d}" for d in dims]]
        status, text, error = run(command)
        out[model] = json.loads(text)["memory"] if status == 0 else {"error": error}
        out[model].pop("buffers", None)
    return out


def measure_profile(bench):
    return bench(bench.model("bert-base"), "--at=batch=1", "--at=seq=128", "--threads=1", "--profile")[0]


def integer_model(bench):
    path = os.path.join(bench.models, "integers.fvir")
    if not os.path.exists(path):
        with open(path + ".bin", "wb") as side:
            side.write(random.Random(1).randbytes(NARROW * WIDE))
        with open(path, "w") as f:
            f.write(f"""fovea-ir 1
module "integers"
const @w: i8[{NARROW}, {WIDE}] = file "integers.fvir.bin" 0 {NARROW * WIDE}
const @zero: u8[] = 128
symbol rows 1..4096
func @main(%x: u8[rows, {NARROW}]) -> (%y) {{
  %y = MatMulInteger(%x, @w, @zero)
  return %y
}}
""")
    return path


def measure_integers(bench):
    """Products of bytes in 10^9 per second, and the peaks of the same run, for each kind of target and number of rows."""
    out = {}
    for name, target in INTEGER_TARGETS:
        for rows in INTEGER_ROWS:
            try:
                r = bench(integer_model(bench), f"--at=rows={rows}", "--threads=1", f"--target={target}")[0]
            except Failed as e:  # a machine without these instructions
                out[f"{name} {rows}"] = {"error": str(e)}
                continue
            out[f"{name} {rows}"] = {"ms": r["median_ms"], "gdots": rows * NARROW * WIDE / r["median_ms"] * 1e-6,
                                     "peak": r["peak_matrix_gdots"] or r["peak_gdots"]}
    if all("error" in r or not r["peak"] for r in out.values()):
        raise Absent("the peak of dot products of this machine is not known")
    return out


def guarded(what, f, *a):
    say(f"{what}  (load {load():.2f})")
    start = time.time()
    try:
        result = f(*a)
    except Absent as e:
        say(f"  skipped: {e}")
        return {"skipped": str(e)}
    except (Failed, KeyError, ValueError) as e:
        say(f"  FAILED: {e}")
        return {"error": str(e) or type(e).__name__}
    say(f"  {time.time() - start:.0f} s")
    return result


PARTS = (("compilers", measure_compilers), ("start", measure_start), ("activations", measure_activations),
         ("profile", measure_profile), ("integers", measure_integers))


def contraction(name, rows):
    return f"contraction {name} {rows}"


def names():
    """The names of all measurements."""
    return ([p["name"] for _, points in POINTS for p in points] +
            [contraction(name, rows) for name, _, _ in COMPILERS for rows, _ in ROWS] + [name for name, _ in PARTS])


def wait_until_idle():
    """Waits until the load is below that of half a core, but at most two minutes: a build may have ended just before."""
    until = time.time() + 120
    while load() >= IDLE and time.time() < until:
        time.sleep(5)


def measure(o):
    bench = Bench(o)
    if not o.quick:
        wait_until_idle()
    wanted = lambda name: o.only in name
    d = {"points": {}, "contraction": {}}
    if o.only:
        d = kept(os.path.join(o.folder, "results.json"), d)
    d["mixed"] = d.get("mixed", False) or "machine" in d
    d["machine"] = machine(o)
    for _, points in POINTS:
        for p in points:
            if wanted(p["name"]):
                d["points"][p["name"]] = guarded(p["name"], measure_point, bench, p, o.onnxruntime)
                keep(o, d)
    for name, cc, _ in COMPILERS:
        for rows, _ in ROWS:
            if wanted(contraction(name, rows)):
                d["contraction"][f"{name} {rows}"] = guarded(contraction(name, rows), measure_contraction, bench, rows, cc)
                keep(o, d)
    for name, f in PARTS:
        if wanted(name):
            d[name] = guarded(name, f, bench)
            keep(o, d)
    d["machine"]["load_after"] = load()
    keep(o, d)
    return d


def keep(o, d):
    with open(os.path.join(o.folder, "results.json"), "w") as f:
        json.dump(d, f, indent=1)


def kept(path, otherwise):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return otherwise


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "not there"


def machine(o):
    cpu = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    example = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "keywords", "keywords.onnx")
    processor = re.search(r"processor (.*)", run([o.fovea, "inspect", "-q", example])[1])
    return {"cpu": cpu[0] if cpu else platform.machine(), "processor": processor[1] if processor else "", "cores": len(os.sched_getaffinity(0)),
            "memory_gib": memory / 2**30, "kernel": platform.release(), "date": datetime.date.today().isoformat(),
            "fovea": first_line(o.fovea, "--version"), "commit": first_line("git", "describe", "--always", "--dirty"),
            "gcc": first_line("gcc", "--version"), "clang": first_line("clang-19", "--version"), "load_before": load(),
            "rounds": o.rounds, "seconds": o.seconds, "quick": o.quick}


# ---- text ----

def ms(v):
    return f"{v:.4g}"


def verdict(value, limit, larger=False):
    good = value >= limit if larger else value <= limit
    return f"{value:.2f}" if good else f"**{value:.2f}**"


def threads_text(r):
    return f"{r['threads']} thread{'s' if r['threads'] > 1 else ''}"


def range_of_ratios(r):
    ratios = [x["median_ms"] / x["against_ms"] for x in r["rounds"]]
    return min(ratios), max(ratios)


def share_of_roof(r, time_ms):
    return r["roof_ms"] / time_ms if r.get("roof_ms") else None


def point_rows(p, results, missed):
    if "skipped" in results:
        return [f"| {p['name']} | - | skipped: {results['skipped']} | | | | | |"]
    if isinstance(results, dict):
        missed.append(f"{p['name']}: could not be measured: {results['error']}")
        return [f"| {p['name']} | - | failed: {results['error']} | | | | | |"]
    rows = []
    for i, r in enumerate(results):
        a = r.get("against")
        limit = p["limits"][min(i, 1)] if p["limits"] else float("inf")
        roof = share_of_roof(r, r["median_ms"])
        spread = f"{ms(r['q1_ms'])} - {ms(r['q3_ms'])}"
        ratio = theirs = within = "-"
        if a:
            least, most = range_of_ratios(r)
            ratio, theirs, within = verdict(a["round_ratio"], limit), ms(a["median_ms"]), f"{least:.2f} - {most:.2f}"
            differing = sum(x["differing"] for x in a["outputs"])
            if a["round_ratio"] > limit:
                missed.append(f"{p['name']}, {threads_text(r)}: {a['round_ratio']:.2f} of ONNX Runtime's time, the aim is {limit:.2f}")
            if differing:
                missed.append(f"{p['name']}: {differing} elements of the outputs differ from ONNX Runtime's by more than "
                              f"1e-4 + 1e-4 * |theirs|, at most {a['max_abs_diff']}")
        rows.append(f"| {p['name']} | {r['threads']} | {ms(r['median_ms'])} | {spread} | {theirs} | {ratio} | {within} | "
                    + (f"{100 * roof:.0f}% |" if roof else "- |"))
    return rows


def points_text(d, missed):
    out = []
    for title, points in POINTS:
        measured = [p for p in points if p["name"] in d["points"]]
        if not measured:
            continue
        aim = measured[0]["limits"]
        out += ["", f"### {title}", ""]
        if aim:
            two = f" with one thread, {aim[1]:.2f} with two" if aim[1] != aim[0] else ", with one thread and with two"
            out += [f"The aim is {aim[0]:.2f} of ONNX Runtime's time{two}.", ""]
        out += ["| | threads | ms | half of the runs | ONNX Runtime, ms | ratio | in the rounds | of the roof |",
                "| --- | --- | --- | --- | --- | --- | --- | --- |"]
        for p in measured:
            out += point_rows(p, d["points"][p["name"]], missed)
    return out


def contraction_text(d, missed):
    if not d["contraction"]:
        return []
    out = ["", "### One contraction", "",
           f"[rows, {NARROW}] x [{NARROW}, {WIDE}] + bias, one thread; each weight is read from memory. With many rows the roof is the",
           f"multiply-add peak, and the aim is 88% of it for the JIT and 85% for generated C. With few rows it is the speed of reading, and "
           f"the aim is {100 * BANDWIDTH:.0f}%.", "",
           "| | " + " | ".join(f"{rows} rows" for rows, _ in ROWS) + " |", "| --- |" + " --- |" * len(ROWS)]
    for name, _, limit in COMPILERS:
        cells = []
        for rows, roof in ROWS:
            r = d["contraction"].get(f"{name} {rows}")
            if r is None or "error" in r:
                cells.append("-" if r is None else "failed")
                if r:
                    missed.append(f"contraction, {name}, {rows} rows: could not be measured: {r['error']}")
                continue
            share = r["gflops"] / r["peak_gflops"] if roof == "peak" else r["gbs"] / r["peak_gbs"]
            aim = limit if roof == "peak" else BANDWIDTH
            rate = f"{r['gflops']:.0f} GFLOP/s" if roof == "peak" else f"{r['gbs']:.1f} GB/s"
            cells.append(f"{rate}, {verdict(share, aim, True)}")
            if share < aim:
                missed.append(f"contraction, {name}, {rows} rows: {100 * share:.0f}% of the {roof}, the aim is {100 * aim:.0f}%")
        out.append(f"| {name} | " + " | ".join(cells) + " |")
    return out


def integers_text(d, missed):
    a = d.get("integers")
    if not a or "error" in a or "skipped" in a:
        return []
    out = ["", "### One product of bytes", "",
           f"MatMulInteger of u8 with a zero point and i8, [rows, {NARROW}] x [{NARROW}, {WIDE}], one thread: milliseconds, 10^9 products a "
           f"second, and their share of the peak that was measured in the same run, of dot products of vectors or, where the target has tile "
           f"registers, of products of matrices. The aim is {100 * INTEGER_LIMIT:.0f}%.", "",
           "| | " + " | ".join(f"{rows} rows" for rows in INTEGER_ROWS) + " |", "| --- |" + " --- |" * len(INTEGER_ROWS)]
    for name, target in INTEGER_TARGETS:
        cells = []
        for rows in INTEGER_ROWS:
            r = a[f"{name} {rows}"]
            if "error" in r or not r["peak"]:
                cells.append("-")
                continue
            share = r["gdots"] / r["peak"]
            cells.append(f"{ms(r['ms'])} ms, {r['gdots']:.0f} of {r['peak']:.0f}, {verdict(share, INTEGER_LIMIT, True)}")
            if share < INTEGER_LIMIT:
                missed.append(f"product of bytes, {target}, {rows} rows: {100 * share:.0f}% of the peak, "
                              f"the aim is {100 * INTEGER_LIMIT:.0f}%")
        out.append(f"| {target} | " + " | ".join(cells) + " |")
    return out


def compilers_text(d, missed):
    c = d.get("compilers")
    if not c or "error" in c or "skipped" in c:
        return []
    out = ["", "### Generated C", "", f"bert-base, 128 tokens, one thread; the aim is {C_LIMIT:.2f} of the JIT's time.", "",
           "| | ms | JIT, ms | ratio | in the rounds |", "| --- | --- | --- | --- | --- |"]
    for name, r in c.items():
        if "error" in r:
            out.append(f"| {name} | failed: {r['error']} | | | |")
            missed.append(f"bert-base as {name}: could not be measured: {r['error']}")
            continue
        ratio, (least, most) = r["against"]["round_ratio"], range_of_ratios(r)
        out.append(f"| {name} | {ms(r['median_ms'])} | {ms(r['against']['median_ms'])} | {verdict(ratio, C_LIMIT)} | "
                   f"{least:.2f} - {most:.2f} |")
        if sum(x["differing"] for x in r["against"]["outputs"]):
            missed.append(f"bert-base as {name}: outputs differ from the JIT's")
        if ratio > C_LIMIT:
            missed.append(f"bert-base as {name}: {ratio:.2f} of the JIT's time, the aim is {C_LIMIT:.2f}")
    return out


def start_text(d, missed):
    s = d.get("start")
    if not s or "skipped" in s:
        return []
    if "error" in s:
        missed.append(f"start of bert-base: could not be measured: {s['error']}")
        return []
    file_mib = s["file_bytes"] / 2**20
    memories = [s["memory"], s.get("warm_memory", s["memory"])]
    peak = max(m[when] for m in memories for when in ("compile_peak_bytes", "run_peak_bytes")) / 2**20
    figures = [("from the file to a runnable model, seconds", s["cold"]["total_ms"] / 1e3, 1.5, "{:.2f}"),
               ("of it code generation", s["cold"]["code_ms"] / 1e3, 1.0, "{:.2f}"),
               ("the same from the cache on disk, ms", s["warm"]["total_ms"], 20, "{:.0f}"),
               (f"resident at most, of the file's {file_mib:.0f} MiB", peak / file_mib, 1.3, "{:.2f}")]
    out = ["", "### Start and memory of bert-base", "", "| | measured | aim |", "| --- | --- | --- |"]
    for what, value, limit, form in figures:
        text = form.format(value)
        out.append(f"| {what} | {text if value <= limit else '**' + text + '**'} | {limit} |")
        if value > limit:
            missed.append(f"bert-base: {what}: {text}, the aim is {limit}")
    return out


def activations_text(d, missed):
    a = d.get("activations")
    if not a or "error" in a or "skipped" in a:
        return []
    out = ["", "### Memory of activations", "", "The lower bound is the largest set of values that are alive at the same time; the aim is 1.10.", "",
           "| | workspace | lower bound | ratio |", "| --- | --- | --- | --- |"]
    for model, m in a.items():
        if "error" in m:
            out.append(f"| {model} | failed: {m['error']} | | |")
            missed.append(f"memory of {model}: {m['error']}")
            continue
        have, least = m["workspace_bytes"], m.get("lower_bound_bytes")
        ratio = have / least if least else None
        out.append(f"| {model} | {have / 2**20:.2f} MiB | " + (f"{least / 2**20:.2f} MiB | {verdict(ratio, 1.10)} |" if least else "not told | - |"))
        if ratio and ratio > 1.10:
            missed.append(f"memory of {model}: {ratio:.2f} of the lower bound, the aim is 1.10")
    return out


def family(row):
    return row["schedule"].split(" ")[0] or "other"


def profile_text(d, missed):
    r = d.get("profile")
    if not r or "error" in r or "skipped" in r:
        return []
    kernels = r["profile"]["kernels"]
    shares = {}
    for k in kernels:
        shares[family(k)] = shares.get(family(k), 0) + k["share"]
    out = ["", "### Where the time of bert-base goes", "", "128 tokens, one thread: "
           + ", ".join(f"{f} {100 * s:.1f}%" for f, s in sorted(shares.items(), key=lambda x: -x[1])) + ".", "",
           "| ms | share | GFLOP/s | GB/s | of the roof | calls | schedule | first of its nodes |", "| --- |" + " --- |" * 7]
    for k in kernels[:12]:
        rate = [f"{k['gflops']:.0f}", f"{k['gbs']:.1f}", f"{100 * k['roof']:.0f}%"] if k["gflops"] is not None else ["-"] * 3
        node = k["nodes"].split(", ")[0]
        out.append(f"| {ms(k['ms'])} | {100 * k['share']:.1f}% | {' | '.join(rate)} | {k['calls']:.4g} | {k['schedule']} | `{node}` |")
    dense = sum(s for f, s in shares.items() if f in ("contract", "attend", "attention"))
    if dense < 0.9:
        missed.append(f"bert-base, 128 tokens: {100 * dense:.0f}% of the time is in contractions and attention, the aim is 90%")
    return out


def machine_text(d):
    m = d["machine"]
    results = [r for x in d["points"].values() if isinstance(x, list) for r in x]
    theirs = next((r["against"]["name"] for r in results if "against" in r), "ONNX Runtime was not there")
    peaks = {}
    for r in results:
        p = peaks.setdefault(r["threads"], [0, 0, 1e9, 1e9])
        p[0], p[1] = max(p[0], r["peak_gflops"]), max(p[1], r["peak_gbs"])
        p[2], p[3] = min(p[2], r["region_us"]), min(p[3], r["parked_region_us"])
    out = [f"{m['cpu']}{', ' + m['processor'] if m.get('processor') else ''}, {m['cores']} cores, {m['memory_gib']:.0f} GiB, Linux {m['kernel']}; {m['date']}.",
           f"{m['fovea']} ({m['commit']}), {theirs}; {m['gcc']}; {m['clang']}.",
           f"{m['rounds']} rounds of together {m['seconds']} s a point; load {m['load_before']:.2f} before, {m.get('load_after', 0):.2f} after."]
    for threads, (gflops, gbs, region, parked) in sorted(peaks.items()):
        out.append(f"Roof with {threads_text({'threads': threads})}: {gflops:.0f} GFLOP/s of multiply-adds, {gbs:.1f} GB/s of reading"
                   + (f"; an empty parallel region takes {region:.1f} us, {parked:.1f} from parked threads." if threads > 1 else "."))
    if m["load_before"] > IDLE:
        out.append("**The machine was not idle**: take these numbers for a try.")
    if d.get("mixed"):
        out.append("Some points are from runs before this one.")
    if m["quick"]:
        out.append("**A quick run**: one short round each, no numbers to keep.")
    return out


BEGIN, END = "<!-- measured: tools/bench writes what follows -->", "<!-- measured: end -->"


def measured_text(d):
    missed = []
    body = (points_text(d, missed) + contraction_text(d, missed) + integers_text(d, missed) + compilers_text(d, missed) + start_text(d, missed)
            + activations_text(d, missed) + profile_text(d, missed))
    summary = ["", "### Missed", ""] + ([f"- {m}" for m in missed] if missed else ["Nothing."])
    return "\n".join(machine_text(d) + ["", "![ours, ONNX Runtime, the roof](performance.svg)"] + body + summary)


def write_document(o, d):
    path = os.path.join(o.out, "performance.md")
    template = path if os.path.exists(path) else os.path.join(os.path.dirname(__file__), "..", "..", "docs", "performance.md")
    with open(template) as f:
        text = f.read()
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    os.makedirs(o.out, exist_ok=True)
    with open(path, "w") as f:
        f.write(f"{before}{BEGIN}\n\n{measured_text(d)}\n\n{END}{after}")
    return path


# ---- chart: shares of the roofline ----

STYLE = ("text{font:12px sans-serif;fill:#24292f}.g{stroke:#d0d7de}.ours{fill:#1f6feb}.theirs{fill:#bbbfc4}"
         ".roof{stroke:#cf222e;stroke-width:2}.t{font-weight:bold}.n{font-size:10px}")
LEFT, WIDTH, BAR, GAP = 300, 520, 9, 8


def bars(d):
    """(label, ours, theirs): shares of the roofline."""
    for _, points in POINTS:
        for p in points:
            results = d["points"].get(p["name"])
            for r in results if isinstance(results, list) else []:
                ours = share_of_roof(r, r["median_ms"])
                if ours:
                    theirs = share_of_roof(r, r["against"]["median_ms"]) if "against" in r else None
                    yield f"{p['name']}, {threads_text(r)}", ours, theirs


def chart(d):
    rows = list(bars(d))
    top, step = 46, 2 * BAR + GAP
    height = top + step * len(rows) + 24
    x = lambda share: LEFT + WIDTH * min(share, 1.2) / 1.2
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{height}"><style>{STYLE}</style>',
           '<rect width="100%" height="100%" fill="#fff"/><text class="t" x="10" y="18">Share of the roof that is reached</text>',
           f'<rect class="ours" x="{LEFT}" y="9" width="10" height="10"/><text x="{LEFT + 15}" y="18">Fovea</text>',
           f'<rect class="theirs" x="{LEFT + 75}" y="9" width="10" height="10"/><text x="{LEFT + 90}" y="18">ONNX Runtime</text>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        kind = "roof" if tick == 1 else "g"
        out.append(f'<line class="{kind}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 4}" y2="{height - 20}"/>'
                   f'<text class="n" text-anchor="middle" x="{x(tick):.1f}" y="{top - 8}">{100 * tick:.0f}%</text>')
    for i, (label, ours, theirs) in enumerate(rows):
        y = top + i * step
        out.append(f'<text text-anchor="end" x="{LEFT - 8}" y="{y + BAR + 4}">{label}</text>')
        for share, kind, at in ((ours, "ours", y), (theirs, "theirs", y + BAR)):
            if share:
                out.append(f'<rect class="{kind}" x="{LEFT}" y="{at}" width="{x(share) - LEFT:.1f}" height="{BAR}"/>'
                           f'<text class="n" x="{x(share) + 4:.1f}" y="{at + BAR - 1}">{100 * share:.0f}%</text>')
    return "\n".join(out + ["</svg>", ""])


# ---- all ----

def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--fovea", required=True)
    a.add_argument("--writer", required=True, help="bench_models.py")
    a.add_argument("--folder", required=True, help="for models and results")
    a.add_argument("--out", default="docs")
    a.add_argument("--onnxruntime", default="", help="libonnxruntime.so")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--seconds", type=float, default=4)
    a.add_argument("--only", default="")
    a.add_argument("--quick", action="store_true")
    a.add_argument("--from", dest="kept", help="results.json of before: nothing is measured")
    o = a.parse_args()
    if not any(o.only in name for name in names()):
        a.error(f"nothing that is measured has '{o.only}' in its name; there are {', '.join(names())}")
    if o.rounds < 1 or not o.seconds > 0:
        a.error("--rounds and --seconds take more than 0")
    if o.quick:
        o.rounds, o.seconds = 1, 0.2
    if o.kept:
        with open(o.kept) as f:
            d = json.load(f)
    else:
        d = measure(o)
    path = write_document(o, d)
    with open(os.path.join(o.out, "performance.svg"), "w") as f:
        f.write(chart(d))
    say(path)
    done = [*d["points"].values(), *d["contraction"].values(), *(d.get(name) for name, _ in PARTS)]
    return 1 if any(isinstance(x, dict) and "error" in x for x in done) else 0


if __name__ == "__main__":
    sys.exit(main())
