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

    def test_capacity_that_grows(self):
        grows = CACHE.replace(b"0..64", b"0..1000")
        s = fovea.Session(grows, states={"past": "present:room"}, backend="interp")
        self.check(s)
        s.reset_states()
        for i in range(200):
            total = float(s(x(1)))
        self.assertEqual(total, 200)
        held = s._states["past"].array
        self.assertEqual(held.shape, (256,))
        s(x(1))
        self.assertIs(s._states["past"].array, held)  # no run copies it while there is room
        self.assertEqual(float(s(x(1), past=np.ones(300, np.float32))), 301)
        self.assertEqual(float(s(x(1))), 302)

    def test_capacity_of_several_states(self):
        grows = b"""fovea-ir 1
module "two"
symbol n 1..1000
symbol p 0..1000
func @main(%x: f32[n], %a: f32[p], %b: f32[p]) -> (%y, %a2, %b2) {
  %a2 = Concat(%a, %x) {axis = 0}
  %b2 = Concat(%b, %x) {axis = 0}
  %m = Mul(%a2, %b2)
  %y = ReduceSum(%m) {keepdims = 0}
  return %y, %a2, %b2
}
"""
        s = fovea.Session(grows, states={"a": "a2:room", "b": "b2:room"}, backend="interp")
        self.assertEqual([float(s(np.ones(n, np.float32))) for n in (1, 62, 1, 1, 300)], [1, 63, 64, 65, 365])
        self.assertEqual({v.shape for v in s.get_states().values()}, {(365,)})

    def test_a_run_that_fails_leaves_states(self):
        for states in ({"past": "present"}, {"past": ("present", 8)}, {"past": "present:room"}):
            s = fovea.Session(CACHE, states=states, backend="interp")
            self.refuses("FV_BAD_DIM", "axis 0", s, np.ones(2, np.float32))
            self.assertEqual(s.get_states(), {})
            self.assertEqual([float(s(x(i))) for i in (1, 2)], [1, 3])
            self.refuses("FV_BAD_DIM", "axis 0", s, np.ones(2, np.float32), past=np.ones(5, np.float32))
            self.refuses("FV_BAD_ARGUMENT", "expected float32", s, x(1), past="text")
            np.testing.assert_array_equal(s.get_states()["past"], [1, 2])
            self.assertEqual(float(s(x(3))), 6)

    def test_a_full_state_beside_one_that_grows(self):
        two = b"""fovea-ir 1
module "two"
symbol p 0..1000000
symbol q 0..1000000
func @main(%x: f32[1], %a: f32[p], %b: f32[q]) -> (%y, %a2, %b2) {
  %a2 = Concat(%a, %x) {axis = 0}
  %b2 = Concat(%b, %x) {axis = 0}
  %y = ReduceSum(%a2) {keepdims = 0}
  return %y, %a2, %b2
}
"""
        for first, second in (("a2:2", "b2:room"), ("a2:room", "b2:2")):
            s = fovea.Session(two, states={"a": first, "b": second}, backend="interp")
            self.assertEqual([float(s(x(1))) for _ in range(2)], [1, 2])
            for _ in range(2):
                self.refuses("FV_TOO_SMALL", "capacity 2", s, x(1))
            self.assertEqual(s._capacities.saved(), {"room": 64})
            self.assertEqual({v.shape for v in s.get_states().values()}, {(2,)})

    def test_a_failed_run_raises_no_capacity(self):
        s = fovea.Session(CACHE, states={"past": "present:room"}, backend="interp")
        s(x(1))
        self.refuses("FV_BAD_DIM", "axis 0", s, np.ones(2, np.float32), past=np.ones(5000, np.float32))
        self.assertEqual(s._capacities.saved(), {"room": 64})
        self.assertEqual(float(s(x(2))), 3)
        self.assertEqual(s._states["past"].array.shape, (64,))

    def test_a_failed_run_may_overwrite_elements(self):
        """Of a state in one memory, but no others, and not its size."""
        slots = b"""fovea-ir 1
module "slots"
symbol n 0..8
const @table: f32[4] = [0.0, 1.0, 2.0, 3.0]
func @main(%i: i64[1], %v: f32[1], %j: i64[1], %c: f32[n]) -> (%y, %new) {
  %new = ScatterElements(%c, %i, %v) {axis = 0}
  %k = Gather(%new, %j) {axis = 0}
  %t = Gather(@table, %j) {axis = 0}
  %y = Mul(%k, %t)
  return %y, %new
}
"""
        for states, is_one_memory in (({"c": "new"}, False), ({"c": "new:8"}, True)):
            s = fovea.Session(slots, states=states, backend="interp")
            s(i=np.array([0]), v=x(1), j=np.array([0]), c=np.zeros(8, np.float32))
            self.refuses("FV_BAD_INDEX", "is 9", s, i=np.array([2]), v=x(5), j=np.array([9]))
            np.testing.assert_array_equal(s.get_states()["c"], [1, 0, 5 if is_one_memory else 0] + [0] * 5)

    def test_a_failed_run_does_not_fix_the_dims_of_states(self):
        batch = b"""fovea-ir 1
module "batch"
symbol n 0..8
const @table: f32[4] = [0.0, 1.0, 2.0, 3.0]
func @main(%at: i64[n], %old: f32[n]) -> (%y, %new) {
  %y = Gather(@table, %at) {axis = 0}
  %new = Add(%y, %old)
  return %y, %new
}
"""
        s = fovea.Session(batch, states={"old": "new"}, backend="interp")
        self.refuses("FV_BAD_INDEX", "is 4", s, np.array([1, 2, 4]))
        np.testing.assert_array_equal(s(np.array([1, 2])), [1, 2])
        np.testing.assert_array_equal(s.get_states()["old"], [1, 2])

    def test_dims_that_nothing_determines(self):
        text = b"""fovea-ir 1
module "sum"
symbol n 0..8
symbol m 0..8
func @main(%x: f32[n], %old: f32[m]) -> (%y, %new) {
  %y = ReduceSum(%x) {keepdims = 0}
  %new = Add(%x, %old)
  return %y, %new
}
"""
        s = fovea.Session(text, states={"old": "new"}, backend="interp")
        self.refuses("FV_BAD_DIM", "state 'old' began with m = 0, which no other input determines", s, np.ones(3, np.float32))
        with self.assertRaises(fovea.FoveaError) as caught:  # of a dim of which the state has no part
            s(np.ones(9, np.float32))
        self.assertNotIn("began with", str(caught.exception))
        self.assertEqual(float(s(np.ones(3, np.float32), old=np.ones(3, np.float32))), 3)
        self.assertEqual(float(s(np.ones(3, np.float32))), 3)

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
