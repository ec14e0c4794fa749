"""The times of importing the package and of a call, which docs/python.md states. They are printed, and
have bounds. The least of many times is compared, so that other programs on the machine matter little."""
import json
import os
import subprocess
import sys
import tempfile
import time

import fovea
import numpy as np
from fovea import command
from graphs import SHARED, Case, needs_shared

IMPORT_MS, CALL_US = 50, 10  # the bounds
IMPORT = """
import time, numpy
start = time.perf_counter()
import fovea
print(time.perf_counter() - start)
"""
MODELS = os.path.join(SHARED, "bench/bench_models.py")


class Times(Case):
    def test_import(self):
        env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(fovea.__file__))}
        took = min(float(subprocess.run([sys.executable, "-c", IMPORT], env=env, stdout=subprocess.PIPE, check=True).stdout)
                   for _ in range(5))
        print("import fovea: %.0f ms beyond numpy" % (1e3 * took))
        self.assertLess(1e3 * took, IMPORT_MS)

    @needs_shared
    def test_call(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "mcu.onnx")
            if not os.path.exists(MODELS) or subprocess.run([sys.executable, MODELS, "mcu", path], check=False).returncode:
                self.skipTest("bench_models.py cannot write the model")
            said = subprocess.run([command.find(), "bench", path, "--threads=1", "--seconds=1", "--json"], check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            c = 1e3 * json.loads(said)["min_ms"]
            s = fovea.Session(path, threads=1)
            feed = {"frames": np.zeros((1, 16, 32), np.float32)}
            took = []
            for _ in range(20000):
                start = time.perf_counter()
                s.run(None, feed)
                took.append(time.perf_counter() - start)
            python = 1e6 * min(took)
            print("a run of the model mcu: %.1f us in C, %.1f us longer in Python" % (c, python - c))
            self.assertLess(python - c, CALL_US)
