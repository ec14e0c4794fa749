"""Compiles a model to a library, and shares it among threads, which run at the same time."""
# %% the file: it needs no compiler when it is loaded
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fovea
import numpy as np

DATES = Path(__file__).parents[1] / "dates/dates.onnx"
library = Path(tempfile.mkdtemp()) / "dates.so"
fovea.compile(DATES, library)
print(library.name, "and", [f.name for f in library.parent.glob("*.h")])
dates = fovea.Session(library, threads=1)

# %% one session for all threads
texts = ["3 May 1979", "05/03/79", "Thursday, March 2nd 1999", "the 1st of january 2001"] * 25


def read(text):
    ids = np.frombuffer(text.encode().ljust(40, b"\0"), np.uint8).astype(np.int32)[None]
    return "".join("0123456789-"[i] for i in dates(ids)[0].argmax(axis=1))


with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(read, texts))
print(len(found), "dates,", len(set(found)), "different:", sorted(set(found)))
print("as one after another:", found == [read(t) for t in texts])

# %% Python's lock is free during a run: another thread counts while the main thread runs a model that takes long
slow = fovea.Session(b"""fovea-ir 1
module "product"
symbol n 0..4096
func @main(%a: f32[n, n]) -> (%y) {
  %y = MatMul(%a, %a)
  return %y
}
""", threads=1)
a = np.ones((1500, 1500), np.float32)
during, done = [0], threading.Event()
started = threading.Event()


def count():
    started.set()
    while not done.is_set():
        during[0] += 1


counter = threading.Thread(target=count)
counter.start()
started.wait()
before = during[0]
slow(a)
counted = during[0] - before
done.set()
counter.join()
print("the other thread has run:", counted > 1000)
