"""What a notebook shows: HTML that is whole, and in which names of models are only text."""
import os
import tempfile
from html.parser import HTMLParser

import fovea
import numpy as np
from fovea import notebook
from graphs import ADD, CACHE, ROOT, Case

DATES = os.path.join(ROOT, "examples/dates/dates.onnx")
NAMED = ADD.replace(b"%x", b"%`<b>&x`")


class Checker(HTMLParser):
    """The texts of a page; its elements must be closed in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts = [], set(), []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)


class Notebook(Case):
    def shown(self, value):
        page = Checker(value._repr_html_())
        self.assertLessEqual(page.tags, {"table", "caption", "thead", "tbody", "tr", "th", "td", "div"})
        return page.texts

    def test_session(self):
        texts = self.shown(fovea.Session(CACHE, states={"past": ("present", 64)}, backend="interp"))
        for text in ("input", "x", "tensor(float)", "[1]", "state", "past", "[p]", "output", "sum"):
            self.assertIn(text, texts)

    def test_names_are_text(self):
        self.assertIn("<b>&x", self.shown(fovea.Session(NAMED, backend="interp")))
        self.assertIn("<b>&x: f32[n, 2], z: f32[2]", self.shown(fovea.inspect(NAMED)))

    def test_inspection(self):
        found = fovea.inspect(DATES)
        self.assertIsInstance(found, dict)
        texts = self.shown(found)
        for text in ("text: i32[1, 40]", "probs: f32[1, 10, 11]", "4 of 5 softmaxes fused", "MatMul", "27"):
            self.assertIn(text, texts)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "dates.so")
            fovea.compile(DATES, path)
            self.assertIn("probs: f32[1, 10, 11]", self.shown(fovea.inspect(path)))

    def test_differences(self):
        sub = ADD.replace(b"= Add(", b"= Sub(")
        texts = self.shown(fovea.diff(ADD, sub, {"x": np.ones((3, 2), np.float32), "z": np.ones(2, np.float32)}))
        self.assertTrue([t for t in texts if t.endswith("1 values compared, 1 differ")], texts)
        for text in ("y", "yes", "2"):
            self.assertIn(text, texts)
        texts = self.shown(fovea.diff(DATES, levels=(0, 2), backends="interp"))
        self.assertTrue([t for t in texts if t.startswith("and ") and t.endswith(" more")], texts)

    def test_quantization(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = self.shown(fovea.quantize(DATES, os.path.join(folder, "q.onnx"), skip="Gather"))
        self.assertIn("int8", texts)
        self.assertIn("/model/encoder.0/qkv/MatMul", texts)

    def test_operators_of_the_passes_only(self):
        ops = [{"operator": "fv.Bind", "model": 0, "after_passes": 1}]
        self.assertIn("fv.Bind", self.shown(notebook.Inspection(ops=ops)))

    def test_bars(self):
        for part, width in ((0, "0.0%"), (0.25, "25.0%"), (7, "100.0%"), (-1, "0.0%"), (float("nan"), "100.0%"),
                            (float("inf"), "100.0%")):
            self.assertIn("width: %s;" % width, notebook.bar(part))
