#!/usr/bin/env python3
"""Compares two builds of Fovea by what they compute: tools/scripts/bits.py OLD [NEW] [--shared DIR] [--graphs DIR] [--targets A,B] [-j N]

OLD and NEW are builds' folders or their fovea; NEW is build/release. Every model of DIR (../shared) and every graph of
the folder --graphs (tests/matrix/graphs --dump=DIR writes them) is compiled by both for each target. Where the programs
are the same text, but for names and what is for people, so are the bits of all outputs; where not, both run it, on its
data set or on random inputs of one seed, and every output's bytes are compared. Prints each model that differs, with the
output and the number of elements, and one that only one of them refuses; closes with N passed, N failed, and how many
were told by their text. Status 1 where one failed."""
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


def program(fovea, model, target):
    """Text of the expanded program without names' numbers; None: refused."""
    r = call(fovea, "compile", model, "-q", f"--target={target}", "--emit=expanded", "-o", "-")
    if r.returncode:
        return None
    return [SUFFIX.sub("", line) for line in r.stdout.split("\n") if not FOR_PEOPLE.match(line)]


def run(fovea, model, target, folder):
    """Status of a run whose outputs are files in the folder."""
    args = [fovea, "run", model, "-q", f"--target={target}", "--format=npy", "-o", folder + "/"]
    data = os.path.join(os.path.dirname(model), "test_data_set_0")
    if os.path.isdir(data):
        args.append(f"--data-set={data}")
    return call(*args).returncode


def difference(folders):
    """What differs between the outputs in two folders; None: nothing."""
    names = [sorted(os.listdir(f)) for f in folders]
    if names[0] != names[1]:
        return f"outputs {names[0]} and {names[1]}"
    for name in names[0]:
        paths = [os.path.join(f, name) for f in folders]
        if not filecmp.cmp(*paths, shallow=False):
            a, b = (open(p, "rb").read() for p in paths)
            n = sum(x != y for x, y in zip(a, b))
            return f"output {name}: {n} of {len(a)} bytes" if len(a) == len(b) else f"output {name}: {len(a)} and {len(b)} bytes"
    return None


def compare(builds, model, target):
    """(how it was told, what differs or None)"""
    texts = [program(f, model, target) for f in builds]
    if texts[0] == texts[1]:
        return "text", None
    refused = [t is None for t in texts]
    if any(refused):
        return "text", "refused by " + ("the old build only" if refused[0] else "the new build only")
    with tempfile.TemporaryDirectory() as folder:
        folders = [os.path.join(folder, x) for x in ("old", "new")]
        for f in folders:
            os.mkdir(f)
        status = [run(b, model, target, f) for b, f in zip(builds, folders)]
        if status[0] != status[1]:
            return "run", f"status {status[0]} and {status[1]}"
        return "run", difference(folders)


def models(o):
    """Paths under the folders that hold models."""
    for root in [r for r in (o.shared, o.graphs) if r]:
        for folder, _, files in sorted(os.walk(root)):
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
    jobs = [(m, t) for m in models(o) for t in targets]
    passed = failed = text = 0
    with concurrent.futures.ThreadPoolExecutor(o.j) as pool:
        for (model, target), (how, what) in zip(jobs, pool.map(lambda j: compare(builds, *j), jobs)):
            text += how == "text" and not what
            passed, failed = passed + (not what), failed + bool(what)
            if what:
                print(f"DIFFERS {model} ({target}): {what}", flush=True)
    print(f"{passed} passed, {failed} failed; {text} told by their text, the others by a run")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
