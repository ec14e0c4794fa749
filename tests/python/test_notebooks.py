"""The scripts of examples/notebooks print what its README shows. With FOVEA_UPDATE_GOLDENS set, what they print now replaces
what the README shows."""
import os
import subprocess
import sys
import tempfile
import unittest

from graphs import ROOT, SHARED

sys.path.insert(0, os.path.join(ROOT, "tests/checks"))
from documents import blocks, commands, update  # noqa: E402

FOLDER = os.path.join(ROOT, "examples/notebooks")
README = os.path.join(FOLDER, "README.md")


def needs(command):
    """What the command needs and this machine does not have, or None."""
    if "$FOVEA_SHARED" in command and not os.path.isdir(SHARED):
        return "the exported models of FOVEA_SHARED"
    script = next(word for word in command.split() if word.endswith(".py"))
    with open(os.path.join(FOLDER, script), encoding="utf-8") as f:
        uses_onnx = any(line.startswith(("import onnx\n", "from onnx ")) for line in f)
    if uses_onnx:
        try:
            import onnx  # noqa: F401
        except ImportError:
            return "the package onnx"
    return None


class Notebooks(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        with open(README, encoding="utf-8") as f:
            self.lines = f.read().splitlines()
        self.commands = [c for kind, start, body in blocks(self.lines) if kind == "console" for c in commands(start, body)]

    def run_command(self, command, folder):
        """What it prints, with this python, and with temporary files in `folder`."""
        python = os.path.join(folder, "python3")
        with open(python, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec "%s" "$@"\n' % sys.executable)
        os.chmod(python, 0o755)
        paths = [os.path.join(ROOT, "python")] + [p for p in (os.environ.get("PYTHONPATH"),) if p]
        env = dict(os.environ, PATH=folder + os.pathsep + os.environ["PATH"], PYTHONPATH=os.pathsep.join(paths),
                   PYTHONDONTWRITEBYTECODE="1", FOVEA_SHARED=SHARED, TMPDIR=folder)
        env.pop("FOVEA_FLAGS", None)
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=FOLDER, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, encoding="utf-8")
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.splitlines()

    def test_every_script_is_shown(self):
        found = [os.path.join(folder, n) for folder, _, names in os.walk(FOLDER) for n in names if n.endswith(".py")]
        scripts = [os.path.relpath(path, FOLDER) for path in found]
        for script in scripts:
            self.assertEqual(sum(script in c.text.split() for c in self.commands), 1, script)
        self.assertEqual(len(scripts), len(self.commands))

    def test_output(self):
        changed = []
        for c in self.commands:
            lacking = needs(c.text)
            if lacking:
                print("skipped: the notebook `%s`: it needs %s" % (c.text, lacking))
                continue
            with self.subTest(c.text), tempfile.TemporaryDirectory() as folder:
                c.actual = self.run_command(c.text, folder)
                expected = c.expected[:-1] if c.expected and not c.expected[-1] else c.expected
                if os.environ.get("FOVEA_UPDATE_GOLDENS") and c.actual != expected:
                    changed.append(c)
                else:
                    self.assertEqual(c.actual, expected)
        if changed:
            with open(README, "w", encoding="utf-8") as f:
                f.write("\n".join(update(self.lines, changed)) + "\n")
