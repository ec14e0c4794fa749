"""States that a session keeps between runs."""
import os
import tempfile
import threading

import fovea
import numpy as np
from graphs import CACHE, Case

FILTER = b"""fovea-ir 1
module "filter"
func @main(%x: f32[2], %old: f32[2]) -> (%y, %new) {
  %new = Add(%x, %old)
  %y = Mul(%new, %x)
  return %y, %new
}
"""


def x(value):
    return np.array([value], np.float32)


class States(Case):
    def check(self, session):
        """1 + 2 + 3, then anew."""
        self.assertEqual([v.name for v in session.get_inputs()], ["x"])
        self.assertEqual([v.name for v in session.get_outputs()], ["sum"])
        self.assertEqual([float(session(x(i))) for i in (1, 2, 3)], [1, 3, 6])
        np.testing.assert_array_equal(session.get_states()["past"], [1, 2, 3])
        total, present = session.run(["sum", "present"], {"x": x(4)})
        self.assertEqual(float(total), 10)
        np.testing.assert_array_equal(present, [1, 2, 3, 4])
        session.reset_states()
        self.assertEqual(session.get_states(), {})
        self.assertEqual(float(session(x(5))), 5)
        self.assertEqual(float(session(x=x(1), past=np.float32([7, 8]))), 16)
        self.assertEqual(float(session(x(1))), 17)
        np.testing.assert_array_equal(present, [1, 2, 3, 4])

    def test_two_buffers(self):
        self.check(fovea.Session(CACHE, states={"past": "present"}))

    def test_in_place(self):
        self.check(fovea.Session(CACHE, states={"past": ("present", 8)}))
        self.check(fovea.Session(CACHE, states={"past": "present:8"}, backend="interp"))

    def test_in_place_in_a_library(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cache.so")
            fovea.compile(CACHE, path, states={"past": "present:8"})
            self.check(fovea.Session(path))

    def test_capacity(self):
        s = fovea.Session(CACHE, states={"past": ("present", 2)}, backend="interp")
        s(x(1))
        s(x(2))
        self.refuses("FV_TOO_SMALL", "capacity 2", s, x(3))
        np.testing.assert_array_equal(s.get_states()["past"], [1, 2])
        self.refuses("FV_BAD_ARGUMENT", "its capacity is 2", s, x(1), past=np.ones(3, np.float32))
        self.refuses("FV_BAD_ARGUMENT", "rank 2", s, x(1), past=np.ones((1, 1), np.float32))

    def test_fixed_size(self):
        s = fovea.Session(FILTER, states={"old": "new"}, backend="interp")
        np.testing.assert_array_equal(s(np.float32([1, 2])), [1, 4])
        np.testing.assert_array_equal(s(np.float32([1, 2])), [2, 8])

    def test_wrong_names(self):
        self.refuses("FV_BAD_MODEL", "'q'", fovea.Session, CACHE, states={"past": "q"})
        self.refuses("FV_BAD_MODEL", "'q'", fovea.Session, CACHE, states={"q": "present"})

    def test_threads_take_turns(self):
        s = fovea.Session(CACHE, states={"past": ("present", 64)}, backend="interp")

        def work():
            for _ in range(10):
                s(x(1))
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(float(s(x(2))), 42)
