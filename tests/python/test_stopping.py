"""Runs that are stopped: by signals in the main thread, and by other threads. A run of the model with 2048
rows takes seconds, and each of its kernels most of a second."""
import os
import signal
import threading
import time

import fovea
import numpy as np
from graphs import Case

LONG = b"""fovea-ir 1
module "long"
symbol n 1..2048
func @main(%x: f32[n, n], %s: f32[n]) -> (%y, %t) {
  %a = MatMul(%x, %x)
  %b = MatMul(%a, %x)
  %c = MatMul(%b, %x)
  %d = MatMul(%c, %x)
  %e = MatMul(%d, %x)
  %f = MatMul(%e, %x)
  %y = MatMul(%f, %x)
  %t = Add(%s, %s)
  return %y, %t
}
"""
MANY, FEW, SOON = 2048, 4, 0.1


class Interrupt(Exception):
    """What the handlers of these tests raise."""


def raises(*_):
    raise Interrupt


class Stopping(Case):
    def setUp(self):
        before = signal.signal(signal.SIGUSR1, raises)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        # made before a signal is sent, which is to meet the run
        self.made = {n: {"x": np.eye(n, dtype=np.float32), "s": np.ones(n, np.float32)} for n in (FEW, 1024, MANY)}

    def arrays(self, n):
        return self.made[n]

    def later(self, function, *arguments):
        t = threading.Timer(SOON, function, arguments)
        t.start()
        self.addCleanup(t.join)

    def stops(self, exception, function, *arguments):
        """The call ends with this exception, long before it would end otherwise."""
        begun = time.monotonic()
        with self.assertRaises(exception) as caught:
            function(*arguments)
        self.assertLess(time.monotonic() - begun, 3)
        return caught.exception

    def test_signals(self):
        for threads in (1, 2):
            with fovea.Session(LONG, threads=threads) as s:
                for _ in range(2):
                    self.later(os.kill, os.getpid(), signal.SIGUSR1)
                    self.stops(Interrupt, s.run, None, self.arrays(MANY))
                    np.testing.assert_array_equal(s.run(None, self.arrays(FEW))[0], np.eye(FEW))

    def test_a_handler_that_returns_or_runs_the_model(self):
        said = []
        with fovea.Session(LONG, threads=2) as s:
            signal.signal(signal.SIGUSR1, lambda *_: said.append(s.run(None, self.arrays(FEW))[0].trace()))
            self.later(os.kill, os.getpid(), signal.SIGUSR1)
            y = s.run(None, self.arrays(1024))[0]
        self.assertEqual((said, y.trace()), ([FEW], 1024))

    def test_states_stay(self):
        with fovea.Session(LONG, states={"s": "t"}, threads=2) as s:
            s.run(None, {"x": self.arrays(FEW)["x"]})
            before = s.get_states()["s"]
            self.later(os.kill, os.getpid(), signal.SIGUSR1)
            self.stops(Interrupt, s.run, None, self.arrays(MANY))
            np.testing.assert_array_equal(s.get_states()["s"], before)
            s.run(None, {"x": self.arrays(FEW)["x"]})

    def test_terminate(self):
        o = fovea.RunOptions()
        with fovea.InferenceSession(LONG) as s:
            self.later(setattr, o, "terminate", True)
            self.assertEqual(self.stops(fovea.FoveaError, s.run, None, self.arrays(MANY), o).status, "FV_CANCELLED")
            self.stops(fovea.FoveaError, s.run, None, self.arrays(FEW), o)
            o.terminate = False
            np.testing.assert_array_equal(s.run(None, self.arrays(FEW), o)[0], np.eye(FEW))
            np.testing.assert_array_equal(s.run(None, self.arrays(FEW))[0], np.eye(FEW))
