"""Differences between models, and attention maps, which the command computes."""
import os
import re

import fovea
import numpy as np
from graphs import ADD, ROOT, Case

DATES = os.path.join(ROOT, "examples/dates/dates.onnx")
SUB = ADD.replace(b"= Add(", b"= Sub(")
X, Z = np.ones((3, 2), np.float32), np.float32([1, 2])


def text(date):
    found = np.zeros((1, 40), np.int32)
    found[0, :len(date)] = list(date)
    return found


class Diff(Case):
    def test_levels(self):
        found = fovea.diff(DATES, levels=(0, 2), backends="interp")
        self.assertEqual(found["differing"], 0)
        self.assertGreater(found["compared"], 100)
        self.assertEqual((found["a"], found["b"]), (DATES + ", interp, -O0", DATES + ", interp, -O2"))

    def test_models(self):
        found = fovea.diff(ADD, SUB, {"x": X, "z": Z}, backends=("interp", "jit"))
        self.assertEqual((found["compared"], found["differing"]), (1, 1))
        y = found["values"][0]
        self.assertEqual((y["name"], y["differing"], y["absolute"]), ("y", 6, 4.0))
        self.assertTrue(found["a"].startswith("model, interp"), found["a"])
        self.assertEqual(fovea.diff(ADD, SUB, {"x": X, "z": Z}, atol=5)["differing"], 0)
        self.assertEqual(fovea.diff(ADD, SUB, {"x": X, "z": 0 * Z})["differing"], 0)

    def test_bad(self):
        self.refuses("FV_BAD_ARGUMENT", "'gpu'", fovea.diff, ADD, backends="gpu")
        self.refuses("FV_BAD_ARGUMENT", "one value or two", fovea.diff, ADD, levels=(0, 1, 2))
        self.refuses("FV_BAD_ARGUMENT", "z80", fovea.diff, ADD, target="z80")
        self.refuses("FV_BAD_MODEL", "no graph", fovea.diff, b"")
        self.refuses("FV_BAD_ARGUMENT", "expected a dict", fovea.diff, ADD, SUB, [X])
        self.refuses("FV_BAD_ARGUMENT", "is None, expected a string", fovea.diff, ADD, SUB, {None: X})
        self.refuses("FV_BAD_ARGUMENT", "expected numbers or strings", fovea.diff, ADD, SUB, {"x": np.zeros(2, "M8[s]")})
        with self.assertRaises(fovea.FoveaError):
            fovea.diff(ADD, SUB, {"q": X})
        self.assertRaises(TypeError, fovea.diff, None)


class AttentionMaps(Case):
    def test_maps(self):
        maps = fovea.attention_maps(DATES, {"text": text(b"3 May 1979")})
        self.assertEqual(len(maps), 4)
        for weights in maps.values():
            self.assertEqual((weights.dtype, weights.ndim), (np.float32, 4))
            np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
        other = fovea.attention_maps(DATES, {"text": text(b"4 June 2001")})
        self.assertFalse(all(np.array_equal(maps[name], other[name]) for name in maps))

    def test_page(self):
        with open(DATES, "rb") as f:
            maps = fovea.attention_maps(f.read(), {"text": text(b"3 May 1979")},
                                        labels={"queries": ["<q%d>" % i for i in range(40)]})
        self.assertTrue(maps.page.lstrip().lower().startswith("<!doctype html"), maps.page[:50])
        self.assertNotIn(".npy", maps.page)  # of a folder that no longer exists
        shown = maps._repr_html_()
        self.assertRegex(shown, re.compile(r'\A<iframe srcdoc="[^"<>]*" style="[^"<>]*"></iframe>\Z', re.S))

    def test_bad(self):
        self.refuses("FV_BAD_MODEL", "no attention", fovea.attention_maps, ADD, {"x": X, "z": Z})
        self.refuses("FV_BAD_ARGUMENT", "level is 9", fovea.attention_maps, DATES, level=9)
        with self.assertRaises(fovea.FoveaError):
            fovea.attention_maps(DATES, {"text": np.zeros((1, 41), np.int32)})
        with self.assertRaises(fovea.FoveaError):
            fovea.attention_maps(DATES, {"text": text(b"1")}, labels=3)
