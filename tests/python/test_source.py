"""The package's own text: types by mypy, style by flake8, where they are installed."""
import os
import shutil
import subprocess
import unittest

from graphs import ROOT


class Source(unittest.TestCase):
    def check(self, tool, *arguments):
        if not shutil.which(tool):
            self.skipTest("%s is not installed" % tool)
        done = subprocess.run([tool, *arguments], cwd=os.path.join(ROOT, "python"), capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_types(self):
        self.check("mypy", "--strict", "--python-version", "3.9", "--cache-dir", os.devnull, "fovea")

    def test_style(self):
        self.check("flake8", "--max-line-length", "130", ".", "../tests/python", "../examples/notebooks")
