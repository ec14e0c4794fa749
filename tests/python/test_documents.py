"""The Python blocks of README.md and docs/python.md print what these show."""
import doctest
import os
import re
import tempfile
import unittest

from graphs import ROOT

FENCED = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


class Documents(unittest.TestCase):
    def check(self, name):
        with open(os.path.join(ROOT, name), encoding="utf-8") as f:
            blocks = FENCED.findall(f.read())
        self.assertTrue(blocks)
        test = doctest.DocTestParser().get_doctest("\n\n".join(blocks), {}, name, name, 0)
        before, said = os.getcwd(), []
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.join(ROOT, "examples"), os.path.join(folder, "examples"))
            os.chdir(folder)
            try:
                doctest.DocTestRunner(verbose=False).run(test, out=said.append)
            finally:
                os.chdir(before)
        self.assertEqual("".join(said), "")

    def test_readme(self):
        self.check("README.md")

    def test_python(self):
        self.check("docs/python.md")
