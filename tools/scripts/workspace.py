#!/usr/bin/env python3
"""workspace.py BUILD [MODEL...]: the workspace that is planned for each model of the shared folder with --prefer=ram,
beside that of a level, and next to its lower bounds: the largest sum of the bytes of buffers that are alive at once,
and bytes that are alive at once in every order of the launches (none if the order is not searched). Symbolic dims are
fixed at the values that `fovea inspect` assumes for them. Models without a workspace are left out."""
import argparse
import json
import os
import subprocess
import sys


def inspect(fovea, model, options):
    run = subprocess.run([fovea, "inspect", model, "--memory", "--json"] + options, capture_output=True, text=True)
    return json.loads(run.stdout) if run.returncode == 0 else None


def measure(fovea, model, options, beside):
    """The memory that `fovea inspect` reports with these options, the workspace with the options `beside`, and whether
    all dims could be fixed; None: the model is refused."""
    first = inspect(fovea, model, options)
    if first is None:
        return None
    dims = [f"--dim={name}={value}" for name, value in first.get("dims", {}).items() if value is not None]
    fixed = inspect(fovea, model, options + dims)
    other = inspect(fovea, model, beside + dims) or inspect(fovea, model, beside)
    return (fixed or first)["memory"], other["memory"]["workspace_bytes"], fixed is not None


def proof(memory, unit):
    """What is proved of the plan, where offsets are multiples of `unit` bytes: "order" if no order of the launches takes
    less; "offsets" if no other offsets take less with the order of the plan."""
    planned, alive = memory["workspace_bytes"], memory["least_alive_bytes"]
    if alive is not None and planned <= -(-alive // unit) * unit:
        return "order"
    return "offsets" if memory["least"] or planned <= memory["lower_bound_bytes"] else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("models", nargs="*", help="names of folders; all, if there is none")
    parser.add_argument("--target", default="cortex-m4")
    parser.add_argument("--level", default="2", help="as of -O: 0 to 3, s")
    parser.add_argument("--unit", type=int, default=8, help="bytes of which offsets are multiples: 8 for pointers of 32 bits, else 64")
    parser.add_argument("--limit", type=float, default=1.02, help="fail if planned / bound is above this, and no smaller plan was excluded")
    given = parser.parse_args()
    folder = os.path.join(os.environ.get("FOVEA_SHARED", "../shared"), "models")
    names = given.models or sorted(n for n in os.listdir(folder) if os.path.isdir(os.path.join(folder, n)))
    options = ["--target=" + given.target, "-O" + given.level]
    above = total = proved = 0
    print(f"| model | bytes at -O{given.level} | with --prefer=ram | alive at once | in any order | ratio | proved |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        found = measure(os.path.join(given.build, "tools", "fovea"), os.path.join(folder, name, "model.onnx"),
                        options + ["--prefer=ram"], options)
        if found is None:
            print(f"{name} is refused", file=sys.stderr)
            continue
        memory, usual, fixed = found
        planned, bound, alive = memory["workspace_bytes"], memory["lower_bound_bytes"], memory["least_alive_bytes"]
        if not planned:
            continue
        total += 1
        above += fixed and planned > bound * given.limit and not memory["least"]
        known = proof(memory, given.unit)
        proved += known == "order"
        print(f"| {name} | {usual} | {planned} | {bound} | {alive or ''} | {planned / bound:.3f} | {known} |", flush=True)
    print(f"{proved} of {total} take no more than any order needs", file=sys.stderr)
    print(f"{total - above} passed, {above} failed", file=sys.stderr)
    return above > 0


if __name__ == "__main__":
    sys.exit(main())
