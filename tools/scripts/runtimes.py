"""Compares Fovea with llama.cpp and onnx2c, and prints tables of Markdown: those of docs/which-runtime.md.

    /usr/bin/python3 tools/scripts/runtimes.py [--llama=FOLDER] [--onnx2c=PROGRAM] [--rounds=N] [--threads=N]

FOLDER has libllama and libggml, as the package @node-llama-cpp/linux-x64 of npm has them. PROGRAM is onnx2c. The models are
written by bench_models.py and llama/gguf_models.py in ../shared/bench (or FOVEA_SHARED), which are not part of the
sources; without them there is nothing to compare. `tools/bench` compares with ONNX Runtime."""
import argparse
import glob
import json
import os
import re
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.environ.get("FOVEA_SHARED", os.path.join(os.path.dirname(ROOT), "shared")), "bench")
PASTS = (128, 1000)
# What of llama.cpp is compared with what of Fovea: name, type of the GGUF file, its options, option of bench_models.py.
# Caches of Fovea's models have the type of their activations; those of llama.cpp are f16 unless its options say otherwise.
CACHES_F32 = ["-k", "f32", "-f", "off"]
WEIGHTS = [("f32", "f32", CACHES_F32, []), ("f16", "f16", [], ["--dtype", "float16"]),
           ("8 bits", "q8_0", CACHES_F32, ["--quant", "int8"]), ("8 bits, caches in f16", "q8_0", [], ["--quant", "int8"]),
           ("4 bits", "q4_0", CACHES_F32, ["--quant", "int4"]), ("4 bits, caches in f16", "q4_0", [], ["--quant", "int4"])]
TIMER = r"""
#include <stdio.h>
#include <time.h>
%(head)s
static float x[%(nin)d], y[%(nout)d];
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e3 + t.tv_nsec * 1e-6; }
int main(void) {
    double best = 1e9;
    for (int i = 0; i < %(nin)d; i++) x[i] = (float)((i * 7919 + 13) %% 2003) / 1001.5f - 1;
    for (int i = 0; i < 200; i++) { double since = now(); %(call)s; double took = now() - since; if (took < best) best = took; }
    printf("%%g\n", best);
    for (int i = 0; i < %(nout)d; i++) printf("%%.9g ", (double)y[i]);
}
"""


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def written(folder, name, script, *options):
    """The path of a model, which its script has written; PATH in its arguments stands for that path."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        run(sys.executable, os.path.join(SHARED, script), *[path if o == "PATH" else o for o in options])
    return path


# ---- llama.cpp ----

def llama_bench(folder, libraries):
    """The program that measures llama.cpp."""
    program = os.path.join(folder, "llamabench")
    found = [f for pattern in ("libllama.v*.so", "libllama.so", "libggml.v*.so", "libggml.so", "libggml-base.so*") for f in glob.glob(os.path.join(libraries, pattern))]
    run("cc", "-std=c11", "-O2", os.path.join(SHARED, "llama", "llamabench.c"), "-o", program, *found, "-Wl,-rpath," + os.path.abspath(libraries))
    return program


def fovea_ms(o, path, seq, past):
    """Median milliseconds of one run of a decoder whose caches stay in place."""
    state = ["--state=past_key_values.*=present.*:room", "--at=room=1024"] if past else []
    out = run(o.fovea, "bench", "-q", "--json", path, *state, f"--at=seq={seq}", f"--at=past={past}", "--at=batch=1",
              f"--threads={o.threads}", "--rounds=1", "--seconds=2", env=dict(os.environ, FOVEA_CACHE_DIR=""))
    return json.loads(out)["median_ms"]


def compare_llama(o):
    program = llama_bench(o.folder, o.llama)
    print("| weights | run | Fovea, ms | llama.cpp, ms | ratio |\n| --- | --- | ---: | ---: | ---: |")
    for name, kind, options, quant in WEIGHTS:
        gguf = written(o.folder, f"llama-{kind}.gguf", os.path.join("llama", "gguf_models.py"), "PATH", "--type", kind)
        onnx = written(o.folder, f"llama-past-{kind}.onnx", "bench_models.py", "llama-past", "PATH", *quant)
        points = [("a prompt of 128 tokens", 128, 0)] + [(f"one token after {p}", 1, p) for p in PASTS]
        ours, theirs = {p: [] for p in points}, {p: [] for p in points}
        for _ in range(o.rounds):
            got = json.loads(run(program, "-t", str(o.threads), "-p", "128", "-n", ",".join(map(str, PASTS)), *options, gguf, stderr=subprocess.DEVNULL))
            for point, ms in zip(points, [got["prefill"]["median_ms"]] + [d["median_ms"] for d in got["decode"]]):
                theirs[point].append(ms)
                ours[point].append(fovea_ms(o, onnx, point[1], point[2]))
        for point in points:
            a, b = statistics.median(ours[point]), statistics.median(theirs[point])
            print(f"| {name} | {point[0]} | {a:.3g} | {b:.3g} | {a / b:.2f} |", flush=True)


# ---- onnx2c ----

def timed(o, name, source, head, call, sizes, flags):
    """Best milliseconds of a run of generated C, and its outputs."""
    main, program = os.path.join(o.folder, name + "_main.c"), os.path.join(o.folder, name)
    with open(main, "w", encoding="utf-8") as f:
        f.write(TIMER % {"head": head, "call": call, "nin": sizes[0], "nout": sizes[1]})
    run("cc", "-O3", "-march=native", *flags, "-I", o.folder, main, source, "-o", program, "-lm")
    lines = [run(program).splitlines() for _ in range(o.rounds)]
    return min(float(x[0]) for x in lines), [float(v) for v in lines[0][1].split()]


def device(o, source):
    """Bytes of flash and of RAM that an object for Cortex-M4 takes, without its stack."""
    out = source[:-2] + ".arm.o"
    run("arm-none-eabi-gcc", "-O2", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-I", o.folder, "-c", source, "-o", out)
    text, data, bss = map(int, run("arm-none-eabi-size", out).splitlines()[1].split()[:3])
    return text + data, data + bss


def compare_onnx2c(o):
    print("| model | | ms | flash, kB | RAM, kB |\n| --- | --- | ---: | ---: | ---: |")
    for model, sizes, signature in (("cnn", (3072, 10), "[3][32][32]"), ("mlp", (784, 10), "[784]")):
        onnx = written(o.folder, model + ".onnx", "bench_models.py", model, "PATH")
        theirs = os.path.join(o.folder, f"onnx2c_{model}.c")
        with open(theirs, "w", encoding="utf-8") as f:
            f.write(run(o.onnx2c, onnx, stderr=subprocess.DEVNULL))
        head = "void entry(const float x%s, float y[1][10]);" % ("[1]" + signature)
        results = [("onnx2c" + more, timed(o, f"onnx2c_{model}_run", theirs, head, "entry((const void *)x, (void *)y)", sizes, flags), device(o, theirs))
                   for more, flags in (("", []), (", `-ffast-math`", ["-ffast-math"]))]
        for what, target in (("Fovea, C without vectors", "generic"), ("Fovea, C for this CPU", "native")):
            ours = os.path.join(o.folder, f"fovea_{model}.c")
            run(o.fovea, "compile", onnx, "-q", "--target=" + target, "--weights=text", "-o", ours)
            head = f'#include "fovea_{model}.h"\nFOVEA_{model.upper()}_ALIGNED static unsigned char work[FOVEA_{model.upper()}_WORKSPACE_BYTES + 1];'
            both = timed(o, f"fovea_{model}_run", ours, head, f"fovea_{model}_run((const void *)x, (void *)y, work)", sizes, [])
            report = json.loads(run(o.fovea, "compile", onnx, "--json", "--target=cortex-m4", "-o", os.path.join(o.folder, f"fovea_{model}_m4.c"), "--weights=text"))
            sizes_m4 = (report["device"]["flash_bytes"], report["workspace_bytes"])
            results.append((what, both, sizes_m4))
        reference = results[-1][1][1]
        for what, (ms, values), (flash, ram) in results:
            worst = max(abs(a - b) for a, b in zip(values, reference))
            if not worst < 1e-4:
                sys.exit(f"{model}: {what} gives other values, by {worst}")
            print(f"| {model} | {what} | {ms:.3g} | {flash / 1000:.0f} | {ram / 1000:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fovea", default=os.path.join(ROOT, "build", "release", "tools", "fovea"))
    parser.add_argument("--folder", default=os.path.join(ROOT, "build", "bench"), help="of models and programs")
    parser.add_argument("--llama", help="folder of libllama and libggml")
    parser.add_argument("--onnx2c", help="the program onnx2c")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    o = parser.parse_args()
    if not os.path.isdir(SHARED):
        sys.exit(f"there is no {SHARED}, which has the benchmark models; FOVEA_SHARED names the folder that has bench/")
    if not o.llama and not o.onnx2c:
        parser.error("neither --llama nor --onnx2c is given")
    os.makedirs(o.folder, exist_ok=True)
    cpu = re.search("model name[^:]*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read())
    print(f"{cpu.group(1) if cpu else 'unknown CPU'}, {o.threads} thread(s), {o.rounds} rounds\n")
    if o.llama:
        compare_llama(o)
        print()
    if o.onnx2c:
        compare_onnx2c(o)


if __name__ == "__main__":
    main()
