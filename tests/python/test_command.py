"""The command, inspect, and how the libraries are found."""
import os
import subprocess
import sys
import tempfile

import fovea
from fovea import command, library
from graphs import ADD, ROOT, Case

PACKAGE = os.path.join(ROOT, "python")


def python(*arguments, **environment):
    """The process of another Python, which has this package."""
    env = {**os.environ, "PYTHONPATH": PACKAGE, **environment}
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, check=False)


class Command(Case):
    def test_module(self):
        done = python("-m", "fovea", "--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(fovea.version, done.stdout)
        self.assertEqual(python("-m", "fovea", "no-such").returncode, 2)

    def test_inspect(self):
        found = fovea.inspect(ADD, dims={"n": (1, 4)}, level=1)
        self.assertEqual(found["inputs"][0], {"name": "x", "type": "f32", "dims": ["n", 2]})
        self.assertEqual(found["model"], "model")
        self.refuses("FV_BAD_MODEL", "no graph", fovea.inspect, b"")
        self.refuses("FV_BAD_ARGUMENT", "z80", fovea.inspect, ADD, target="z80")


class Wheel(Case):
    def test_pip_installs_it(self):
        if python("-m", "pip", "--version").returncode:
            self.skipTest("pip is not installed")
        with tempfile.TemporaryDirectory() as folder:
            done = python("-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--target", folder, PACKAGE)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(os.path.exists(os.path.join(folder, "fovea/py.typed")))
            done = python("-c", "import fovea; print(fovea.__file__)", PYTHONPATH=folder)
            self.assertEqual(done.stdout.strip(), os.path.join(folder, "fovea/__init__.py"), done.stderr)


class Libraries(Case):
    SCRIPT = "import fovea; fovea.Session(%r)"

    def test_version(self):
        for lib in (library.runtime(), library.compiler()):
            self.assertEqual(lib.fv_version().decode(), fovea.version)
        with open(os.path.join(PACKAGE, "pyproject.toml"), encoding="utf-8") as f:
            self.assertIn('version = "%s"' % fovea.version, f.read())

    def test_not_found(self):
        for place in ("/no/such/folder", "/no/such/libfovea.so.0", ROOT, os.path.join(ROOT, "README.md")):
            done = python("-c", self.SCRIPT % ADD, FOVEA_LIBRARY=place)
            self.assertIn("FoveaError: FV_BAD_FILE: libfovea cannot be loaded", done.stderr)
            self.assertIn("set FOVEA_LIBRARY", done.stderr)

    def test_no_library_of_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "libfovea.so.0"), "wb") as f:
                f.write(b"\x7fELF")
            done = python("-c", self.SCRIPT % ADD, FOVEA_LIBRARY=folder)
            self.assertIn("libfovea cannot be loaded", done.stderr)

    def test_compiled_libraries_need_no_compiler(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "add.so")
            fovea.compile(ADD, path)
            loaded = library.path_of(library.compiler())
            self.assertEqual(os.path.basename(loaded).split(".so")[0], "libfovea")
            done = python("-c", (self.SCRIPT + "; print(open('/proc/self/maps').read())") % path)
            self.assertEqual(done.stderr, "")
            self.assertIn("libfovea-run.so", done.stdout)
            self.assertNotIn("LLVM", done.stdout)

    def test_the_command_is_found(self):
        self.assertTrue(os.access(command.find(), os.X_OK))
