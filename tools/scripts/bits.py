#!/usr/bin/env python3
"""Compares the results of two builds of Fovea: tools/scripts/bits.py OLD [NEW] [--shared DIR] [--graphs DIR] [--targets A,B] [--random-limits SEED,...] [-j N]

OLD and NEW are folders of builds, or programs fovea; the default of NEW is build/release. Both compile every model of DIR
(../shared) and every graph of the folder --graphs (written by tests/matrix/graphs --dump=DIR) for each target. With
--random-limits, NEW uses random limits of speed, once for each of these seeds. If both programs are the same text, apart from
names and comments, all outputs have the same bits. Otherwise both run the model, on its data set or on random inputs with the
same seed, and the bytes of all outputs are compared. Prints each model whose outputs differ, with the output and the number of
elements (all NaNs count as equal), and each model that only one build refuses. The last line has the numbers of models that
passed and failed, and of those that were decided by their texts. The status is 1 if a model failed."""
import argparse
import concurrent.futures
import filecmp
import os
import re
import subprocess
import sys
import tempfile

TARGETS = "generic,x86-64-v2,x86-64-v3,x86-64-v4"
FOR_PEOPLE = re.compile(r'^ *(origin|formula|schedule|source|producer|symbol) |^(fovea-program|name) ')
SUFFIX = re.compile(r"_\d+\b|`")


def command(path):
    return path if os.path.isfile(path) else os.path.join(path, "tools", "fovea")


def call(*args):
    env = dict(os.environ, FOVEA_CACHE_DIR="", FOVEA_FLAGS="")
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, errors="replace", check=False)


def program(fovea, model, target, more):
    """The text of the expanded program without the numbers in names; None: the model was refused."""
    r = call(fovea, "compile", model, "-q", *more, f"--target={target}", "--emit=expanded", "-o", "-")
    if r.returncode:
        return None
    return [SUFFIX.sub("", line) for line in r.stdout.split("\n") if not FOR_PEOPLE.match(line)]


def run(fovea, model, target, more, folder):
    """Runs the model; its outputs become files in the folder. Returns the status."""
    args = [fovea, "run", model, "-q", *more, f"--target={target}", "--format=npy", "-o", folder + "/"]
    data = os.path.join(os.path.dirname(model), "test_data_set_0")
    if os.path.isdir(data):
        args.append(f"--data-set={data}")
    return call(*args).returncode


def elements(path):
    """The shape and elements of a .npy file, with None for NaNs, since all NaNs count as equal; for another file its bytes."""
    with open(path, "rb") as f:
        data = f.read()
    size = int.from_bytes(data[8:10], "little")
    header, rest = data[10 : 10 + size], data[10 + size :]
    kind = re.search(rb"'<f([248])'", header)
    if not data.startswith(b"\x93NUMPY\x01") or not kind:
        return data
    values = memoryview(rest).cast({b"2": "H", b"4": "I", b"8": "Q"}[kind[1]])
    bits = {b"2": (0x7FFF, 0x7C00), b"4": (0x7FFFFFFF, 0x7F800000), b"8": (0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000)}[kind[1]]
    return header, [None if x & bits[0] > bits[1] else x for x in values]


def difference(folders):
    """A text that describes the difference between the outputs in two folders; None: there is none."""
    names = [sorted(os.listdir(f)) for f in folders]
    if names[0] != names[1]:
        return f"outputs {names[0]} and {names[1]}"
    for name in names[0]:
        paths = [os.path.join(f, name) for f in folders]
        if not filecmp.cmp(*paths, shallow=False):
            a, b = (elements(p) for p in paths)
            if isinstance(a, bytes) or isinstance(b, bytes) or a[0] != b[0]:
                return f"output {name}: type, shape or bytes"
            n = sum(x != y for x, y in zip(a[1], b[1]))
            if n:
                return f"output {name}: {n} of {len(a[1])} elements"
    return None


def compare(builds, model, target, seed):
    """Returns (how it was decided, the difference or None). seed: seed for the limits of the new build; None: the usual limits."""
    options = [[], [] if seed is None else [f"--random-limits={seed}"]]
    texts = [program(f, model, target, more) for f, more in zip(builds, options)]
    if texts[0] == texts[1]:
        return "text", None
    refused = [t is None for t in texts]
    if any(refused):
        return "text", "refused by " + ("the old build only" if refused[0] else "the new build only")
    with tempfile.TemporaryDirectory() as folder:
        folders = [os.path.join(folder, x) for x in ("old", "new")]
        for f in folders:
            os.mkdir(f)
        status = [run(b, model, target, more, f) for b, more, f in zip(builds, options, folders)]
        if status[0] != status[1]:
            return "run", f"status {status[0]} and {status[1]}"
        return "run", difference(folders)


def models(o):
    """The paths of all models in the folders."""
    for root in [r for r in (o.shared, o.graphs) if r]:
        for folder, _, files in sorted(os.walk(root, followlinks=True)):
            for f in sorted(files):
                if f.endswith((".onnx", ".fvir")):
                    yield os.path.join(folder, f)


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("old")
    p.add_argument("new", nargs="?", default="build/release")
    p.add_argument("--shared", default=os.environ.get("FOVEA_SHARED", "../shared"))
    p.add_argument("--graphs")
    p.add_argument("--targets", default=TARGETS)
    p.add_argument("--random-limits", type=lambda text: [int(n) for n in text.split(",")], default=[None])
    p.add_argument("-j", type=int, default=os.cpu_count())
    o = p.parse_args()
    builds = [command(o.old), command(o.new)]
    for b in builds:
        if not os.access(b, os.X_OK):
            p.error(f"{b} is no fovea")
    here = os.uname().machine.replace("_", "-")
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        wide = "avx512f" in f.read()
    targets = [t for t in o.targets.split(",") if t == "generic" or (t.startswith(here) and (wide or not t.endswith("v4")))]
    jobs = [(m, t, seed) for m in models(o) for t in targets for seed in o.random_limits]
    passed = failed = text = 0
    with concurrent.futures.ThreadPoolExecutor(o.j) as pool:
        for (model, target, seed), (how, what) in zip(jobs, pool.map(lambda j: compare(builds, *j), jobs)):
            text += how == "text" and not what
            passed, failed = passed + (not what), failed + bool(what)
            if what:
                print(f"DIFFERS {model} ({target}{'' if seed is None else f', limits {seed}'}): {what}", flush=True)
    print(f"{passed} passed, {failed} failed; {text} told by their text, the others by a run")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
