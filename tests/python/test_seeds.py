"""Seeds of random numbers: a seed repeats a run, with the bits of the command; runs without one differ."""
import copy
import os
import pickle
import subprocess
import sys
import tempfile
import threading

import fovea
import numpy as np
from fovea import command
from graphs import ADD, Case

DRAWS = b"""fovea-ir 1
module "draws"
symbol n 0..64
const @times: i64[] = 3
const @yes: bool[] = true
func @main(%x: f32[n]) -> (%u, %g, %b, %l, %s) {
  %u = RandomUniformLike(%x)
  %g = RandomNormalLike(%x)
  %b = Bernoulli(%u)
  %l = Loop(@times, @yes) {body = ^(%i: i64[], %go: bool[]) {
    %r = RandomUniformLike(%x)
    return %go, %r
  }}
  %s = RandomUniformLike(%x) {seed = 3.0}
  return %u, %g, %b, %l, %s
}
"""
KEPT = b"""fovea-ir 1
module "kept"
func @main(%x: f32[4], %past: f32[4]) -> (%y, %present) {
  %r = RandomUniformLike(%x)
  %present = Add(%past, %r)
  %y = Add(%present, %x)
  return %y, %present
}
"""
TEXTS = b"""fovea-ir 1
module "texts"
func @main(%x: f32[3], %t: string[2]) -> (%u, %w) {
  %u = RandomUniformLike(%x)
  %w = Identity(%t)
  return %u, %w
}
"""
X = np.zeros(5, np.float32)
FEED = {"x": X}
NAMES = ("u", "g", "b", "l", "s")


def bits(results):
    return [np.asarray(y).tobytes() for y in results]


class Seeds(Case):
    def tearDown(self):
        fovea.seeds._series = fovea.seeds._Series()  # as before set_seed

    def of_the_command(self, seed, *more):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "draws.fvir")
            with open(path, "wb") as f:
                f.write(DRAWS)
            subprocess.run([command.find(), "run", path, "--dim", "n=5", "-q", "--seed", str(seed), "--format=npy", "-o", d, *more],
                           check=True, capture_output=True)
            return bits(np.load(os.path.join(d, name + ".npy")) for name in NAMES)

    def test_bits_of_the_command(self):
        for seed in (0, 7, 2**31 - 1):
            wanted = self.of_the_command(seed, "--backend=interp")
            for given in ({}, {"backend": "interp"}, {"threads": 2}, {"naive": True}, {"level": 0}, {"target": "generic"}):
                s = fovea.Session(DRAWS, **given)
                for _ in range(2):
                    self.assertEqual(bits(s.run(None, FEED, seed=seed)), wanted, (seed, given))
        self.assertEqual(self.of_the_command(7), self.of_the_command(7, "--backend=c"))

    def test_runs_without_a_seed_differ(self):
        s = fovea.Session(DRAWS)
        drawn = [bits(s.run(None, FEED)) for _ in range(3)] + [bits(s.run(None, FEED, seed=n)) for n in (0, 7, 8)]
        drawn.append(bits(s.run(None, FEED)))  # a seed is that of its run alone
        drawn.append(bits(s.run(None, FEED)))
        self.assertEqual(len({b[0] for b in drawn}), len(drawn))
        self.assertEqual(len({b[3] for b in drawn}), len(drawn))
        self.assertEqual(len({b[4] for b in drawn}), 1)  # that operator has a seed of its own

    def test_options(self):
        o = fovea.RunOptions()
        self.assertIsNone(o.seed)
        for s in (fovea.Session(DRAWS), fovea.InferenceSession(DRAWS)):
            o.seed = None
            self.assertNotEqual(bits(s.run(None, FEED, o)), bits(s.run(None, FEED, o)))
            o.seed = np.int64(7)
            seven = bits(s.run(None, FEED, seed=7))
            for used in (o, copy.deepcopy(o), pickle.loads(pickle.dumps(o))):
                self.assertEqual(bits(s.run(None, FEED, used)), seven)
            self.assertEqual(bits(s.run(None, FEED, o, seed=8)), bits(s.run(None, FEED, seed=8)))
        values = s.run_with_ort_values(None, {"x": fovea.OrtValue.ortvalue_from_numpy(X)}, o)
        self.assertEqual(bits(v.numpy() for v in values), seven)
        b = s.io_binding()
        b.bind_cpu_input("x", X)
        for name in NAMES:
            b.bind_output(name)
        s.run_with_iobinding(b, o)
        self.assertEqual(bits(b.copy_outputs_to_cpu()), seven)

    def test_a_library(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "draws.so")
            fovea.compile(DRAWS, path)
            with fovea.Session(path) as s:
                self.assertEqual(bits(s.run(None, FEED, seed=7)), self.of_the_command(7))

    def test_states(self):
        given = {"x": np.zeros(4, np.float32)}
        found = []
        for _ in range(2):
            s = fovea.Session(KEPT, states={"past": "present"})
            found.append(bits([s.run(None, given, seed=n)[0] for n in (1, 2, 3)]))
        self.assertEqual(*found)

    def test_values_that_are_no_tensors_of_numbers(self):
        s = fovea.Session(TEXTS)
        feed = {"x": np.zeros(3, np.float32), "t": np.array(["a", "bc"], object)}
        first, other, again = (s.run(["u"], feed, seed=n)[0] for n in (1, 2, 1))
        self.assertEqual(first.tobytes(), again.tobytes())
        self.assertNotEqual(first.tobytes(), other.tobytes())

    def test_threads_have_seeds_of_their_own(self):
        s, found = fovea.Session(DRAWS), {}
        wanted = {n: bits(s.run(None, FEED, seed=n)) for n in range(8)}

        def work(n):
            found[n] = [bits(s.run(None, FEED, seed=n)) for _ in range(20)]

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(found, {n: [b] * 20 for n, b in wanted.items()})

    def test_a_series(self):
        s, t = fovea.Session(DRAWS), fovea.InferenceSession(DRAWS, providers=["CPUExecutionProvider"])

        def draw(seed):
            fovea.set_seed(seed)
            return [bits(r.run(None, FEED)) for r in (s, t, s)]

        first = draw(7)
        self.assertEqual(len({b[0] for b in first}), 3)
        self.assertEqual(draw(7), first)
        self.assertEqual(len({draw(n)[0][0] for n in (0, -1, 7, 8, 2**40, 2**63)}), 6)
        fovea.set_seed(7)
        s.run(None, FEED, seed=1)  # takes none of the series
        self.assertEqual([bits(r.run(None, FEED)) for r in (s, t, s)], first)

    def test_a_series_in_another_process(self):
        program = ("import fovea, numpy, sys; s = fovea.Session(sys.stdin.buffer.read()); fovea.set_seed(5); "
                   "print([y.tobytes().hex() for _ in range(2) for y in s.run(None, {'x': numpy.zeros(5, 'f4')})])")
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(fovea.__file__))}
        runs = {subprocess.run([sys.executable, "-c", program], input=DRAWS, env=environment, check=True,
                               capture_output=True).stdout for _ in range(2)}
        self.assertEqual(len(runs), 1)

    def test_what_is_no_seed(self):
        s = fovea.Session(ADD)
        feed = {"x": np.zeros((1, 2), np.float32), "z": np.zeros(2, np.float32)}
        for wrong in (1.5, "7", True, [1], np.float32(1), np.bool_(True)):
            self.refuses("FV_BAD_ARGUMENT", "seed is", s.run, None, feed, seed=wrong)
            self.refuses("FV_BAD_ARGUMENT", "seed is", fovea.set_seed, wrong)
        for wrong in (-1, 2**40, 2**64):
            self.refuses("FV_BAD_ARGUMENT", "expected 0 to 1099511627775", s.run, None, feed, seed=wrong)
            o = fovea.RunOptions()
            o.seed = wrong
            self.refuses("FV_BAD_ARGUMENT", "expected 0 to", s.run, None, feed, o)
        s.run(None, feed, seed=2**40 - 1)
