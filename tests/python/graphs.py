"""Models of the tests, as texts (docs/ir.md), and what the test cases share."""
import os
import unittest

import fovea

SHARED = os.environ.get("FOVEA_SHARED", "")
ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
needs_shared = unittest.skipUnless(os.path.isdir(SHARED), "FOVEA_SHARED names no folder")

ADD = b"""fovea-ir 1
module "add"
symbol n 0..8
func @main(%x: f32[n, 2], %z: f32[2]) -> (%y) {
  %y = Add(%x, %z)
  return %y
}
"""
TWO = b"""fovea-ir 1
module "two"
func @main(%x: f32[2]) -> (%sum, %twice) {
  %sum = ReduceSum(%x) {keepdims = 0}
  %twice = Add(%x, %x)
  return %sum, %twice
}
"""
CACHE = b"""fovea-ir 1
module "cache"
symbol p 0..64
func @main(%x: f32[1], %past: f32[p]) -> (%sum, %present) {
  %present = Concat(%past, %x) {axis = 0}
  %sum = ReduceSum(%present) {keepdims = 0}
  return %sum, %present
}
"""
GATHER = b"""fovea-ir 1
module "gather"
func @main(%x: f32[4], %at: i64[1]) -> (%y) {
  %y = Gather(%x, %at) {axis = 0}
  return %y
}
"""
NONZERO = b"""fovea-ir 1
module "nonzero"
func @main(%x: f32[4]) -> (%y) {
  %y = NonZero(%x)
  return %y
}
"""


def copy_of(element):
    """A model that casts a tensor of three elements of a type to f32."""
    return ("""fovea-ir 1
module "copy"
func @main(%%x: %s[3]) -> (%%y) {
  %%y = Cast(%%x) {to = 1}
  return %%y
}
""" % element).encode()


class Case(unittest.TestCase):
    def refuses(self, status, text, function, *args, **named):
        """The call raises FoveaError with this status, and this text in its message."""
        with self.assertRaises(fovea.FoveaError) as caught:
            function(*args, **named)
        self.assertEqual(caught.exception.status, status)
        self.assertIn(text, str(caught.exception))
        return caught.exception
