#!/usr/bin/env python3
"""workspace.py BUILD [MODEL...]: the workspace that is planned for each model of the shared folder, next to its lower
bound, the largest sum of the bytes of buffers that are alive at once. Symbolic dims are fixed at the values that
`fovea inspect` assumes for them."""
import argparse
import json
import os
import subprocess
import sys


def inspect(fovea, model, options):
    run = subprocess.run([fovea, "inspect", model, "--memory", "--json"] + options, capture_output=True, text=True)
    return json.loads(run.stdout) if run.returncode == 0 else None


def measure(fovea, model, options):
    """Planned bytes, bound, whether less is proved to be impossible, and whether all dims could be fixed; None: the
    model is refused."""
    first = inspect(fovea, model, options)
    if first is None:
        return None
    dims = [f"--dim={name}={value}" for name, value in first.get("dims", {}).items() if value is not None]
    fixed = inspect(fovea, model, options + dims)
    memory = (fixed or first)["memory"]
    return memory["workspace_bytes"], memory["lower_bound_bytes"], memory["least"], fixed is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("models", nargs="*", help="names of folders; all, if there is none")
    parser.add_argument("--target", default="cortex-m4")
    parser.add_argument("--level", default="s", help="as of -O: 0 to 3, s")
    parser.add_argument("--limit", type=float, default=1.02, help="fail if planned / bound is above this, and no smaller plan was excluded")
    given = parser.parse_args()
    folder = os.path.join(os.environ.get("FOVEA_SHARED", "../shared"), "models")
    names = given.models or sorted(n for n in os.listdir(folder) if os.path.isdir(os.path.join(folder, n)))
    above = total = 0
    print("| model | planned | bound | ratio |\n| --- | --- | --- | --- |")
    for name in names:
        model = os.path.join(folder, name, "model.onnx")
        found = measure(os.path.join(given.build, "tools", "fovea"), model,
                        ["--target=" + given.target, "-O" + given.level])
        if found is None:
            print(f"| {name} | refused | | |")
            continue
        planned, bound, least, fixed = found
        ratio = planned / bound if bound else 1
        total += 1
        above += fixed and ratio > given.limit and not least
        proof = ", none is smaller" if least and planned > bound else ""
        print(f"| {name} | {planned} | {bound} | {ratio:.3f}{proof} |", flush=True)
    print(f"{total - above} passed, {above} failed")
    return above > 0


if __name__ == "__main__":
    sys.exit(main())
