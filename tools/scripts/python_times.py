#!/usr/bin/python3
"""Measures how long `import fovea` takes beyond `import numpy`, and how much longer a run of a small
model takes through Python than in C; docs/python.md states both. Each time is the least of many.

Usage: FOVEA_LIBRARY=BUILD/tools PYTHONPATH=python tools/scripts/python_times.py --writer bench_models.py
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

IMPORT = """
import time, numpy
start = time.perf_counter()
import fovea
print(time.perf_counter() - start)
"""


def import_seconds():
    return min(float(subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, check=True).stdout)
               for _ in range(5))


def run_seconds(path):
    """The times of a run in C, as `fovea bench` finds it, and through Python."""
    import fovea
    import numpy as np
    from fovea import command
    said = subprocess.run([command.find(), "bench", path, "--threads=1", "--seconds=1", "--json"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    session = fovea.Session(path, threads=1)
    feed = {"frames": np.zeros((1, 16, 32), np.float32)}
    took = []
    for _ in range(20000):
        start = time.perf_counter()
        session.run(None, feed)
        took.append(time.perf_counter() - start)
    return 1e-3 * json.loads(said)["min_ms"], min(took)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writer", required=True, metavar="F", help="the script that writes the model `mcu`")
    args = parser.parse_args()
    print("import fovea: %.0f ms longer than import numpy" % (1e3 * import_seconds()))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mcu.onnx")
        subprocess.run([sys.executable, args.writer, "mcu", path], check=True)
        c, python = run_seconds(path)
    print("a run of mcu: %.1f us in C, %.1f us longer through Python" % (1e6 * c, 1e6 * (python - c)))


if __name__ == "__main__":
    main()
