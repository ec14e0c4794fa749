"""Wrong input of each kind raises an error that states what is wrong."""
import os
import tempfile

import fovea
import numpy as np
from graphs import ADD, Case

X = np.ones((3, 2), np.float32)
Z = np.ones(2, np.float32)


class Refusing:
    def __array__(self, dtype=None, copy=None):
        raise ValueError("no")


class Capsule:
    def __dlpack__(self, **named):
        return 3

    def __dlpack_device__(self):
        return 1, 0


class Taken:
    """Memory that DLPack gives away once."""

    def __init__(self, array, device=1):
        self.capsule, self.device = array.__dlpack__(), device

    def __dlpack__(self, **named):
        return self.capsule

    def __dlpack_device__(self):
        return self.device, 0


class Feeds(Case):
    def setUp(self):
        self.session = fovea.Session(ADD, backend="interp")

    def bad(self, text, x, z=Z, status="FV_BAD_ARGUMENT"):
        self.refuses(status, text, self.session, x, z)

    def test_types(self):
        self.bad("input 'x' is float64[3, 2], expected float32[n, 2]", X.astype(np.float64))
        self.bad("input 'x' is int32[3, 2]", X.astype(np.int32))
        self.bad("complex64", X.astype(np.complex64))
        self.bad("expected float32", X.astype(object))
        self.bad("datetime64", np.zeros((3, 2), "datetime64[s]"))
        self.bad("expected float32", "text")
        self.bad("expected float32", {"a": 1})
        self.bad("expected float32", [[1, 2j]])
        self.bad("is None", None)
        self.bad("no array", [[1, 2], [3]])
        self.bad("expected float32", object())
        self.bad("has masked elements", np.ma.array(X, mask=X > 0))
        self.bad("cannot be read as an array: no", Refusing())
        self.bad("cannot be read by DLPack", Capsule())

    def test_memory_that_is_gone_or_elsewhere(self):
        released = memoryview(bytearray(8))
        released.release()
        self.bad("cannot be read as an array: operation forbidden on released memoryview", X, released)
        taken = Taken(Z)
        np.testing.assert_array_equal(self.session(X, taken), X + Z)
        self.bad("input 'z' cannot be read by DLPack", X, taken)
        self.bad("by DLPack: it is on a device of type 2, expected the CPU", X, Taken(Z, device=2))
        self.bad("input 'z' is uint8[8], expected float32[2]", X, bytearray(8))
        self.bad("input 'z' is uint8[8], expected float32[2]", X, bytes(8))
        self.bad("input 'z' is a str, expected float32", X, "12")

    def test_layouts(self):
        x = np.arange(12, dtype=np.float32).reshape(6, 2)
        want = self.session(x[::2].copy(), Z)
        frozen = x[::2].copy()
        frozen.flags.writeable = False
        unaligned = np.frombuffer(b"\0" + x[::2].tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 2)
        for given in (x[::2], np.asfortranarray(x[::2]), x[::2].astype(">f4"), frozen, unaligned, x[::-1][1::2][::-1],
                      np.broadcast_to(x[::2], (1, 3, 2))[0], x[::2].tolist(), memoryview(x[::2].copy())):
            np.testing.assert_array_equal(self.session(given, Z), want)

    def test_shapes(self):
        self.bad("rank 2", X[0])
        self.bad("rank 2", X[None])
        self.bad("rank 2", np.float32(1))
        self.bad("expected 2 on axis 1", np.ones((3, 3), np.float32), status="FV_BAD_DIM")
        self.bad("'n' may be 0 to 8", np.ones((9, 2), np.float32), status="FV_BAD_DIM")
        self.bad("'z'", X, np.ones(3, np.float32), status="FV_BAD_DIM")
        self.bad("expected 2 on axis 1", np.zeros((0, 0), np.float32), status="FV_BAD_DIM")
        self.bad("rank", np.ones((1,) * 32, np.float32))
        self.bad("'n' may be 0 to 8", np.broadcast_to(np.float32(1), (1 << 20, 2)), status="FV_BAD_DIM")

    def test_names(self):
        run = self.session.run
        for feed, text in (({}, "no value for input 'x'"), ({"x": X}, "no value for input 'z'"),
                           ({"x": X, "z": Z, "q": Z}, "there is no input 'q'"),
                           ({"X": X, "z": Z}, "no value for input 'x', and there is no input 'X'; the model has 'x'"),
                           ({"x": X, "z": Z, None: Z}, "there is no input None"), (None, "expected a dict"),
                           ([X, Z], "expected a dict"), ("x", "expected a dict")):
            self.refuses("FV_BAD_ARGUMENT", text, run, None, feed)
        for names, text in ((["q"], "no output 'q'; the model has 'y'"), ("y", "expected a list"), ([None], "no output None"),
                            (["y", 3], "no output 3"), (3, "expected a list"), ([["y"]], "no output ['y']")):
            self.refuses("FV_BAD_ARGUMENT", text, run, names, {"x": X, "z": Z})
        self.assertEqual(run([], {"x": X, "z": Z}), [])
        self.refuses("FV_BAD_ARGUMENT", "3 inputs are given", self.session, X, Z, Z)
        self.refuses("FV_BAD_ARGUMENT", "'x' is given twice", self.session, X, x=X)

    def test_swapped(self):
        self.bad("input 'x' is f32[2], expected f32 of rank 2", Z, X)

    def test_numbers_that_do_not_fit(self):
        from graphs import copy_of
        s = fovea.Session(copy_of("i8"), backend="interp")
        for x in ([1, 2, 300], [1, 2, 1.5], [True, "a", 3]):
            self.refuses("FV_BAD_ARGUMENT", "input 'x'", s, x)
        self.bad("input 'z' has numbers that float32 cannot hold", X, [1, 1e39])
        self.assertTrue(np.isinf(self.session(X, [1, float("inf")])[0, 1]))

    def test_numbers_of_less_than_a_byte(self):
        text = """fovea-ir 1
module "m"
symbol n 0..8
func @main(%%x: %s[n]) -> (%%y) {
  %%y = Cast(%%x) {to = 6}
  return %%y
}
"""
        for name, lowest, highest in (("i2", -2, 1), ("u2", 0, 3), ("i4", -8, 7), ("u4", 0, 15)):
            s = fovea.Session((text % name).encode(), backend="interp")
            np.testing.assert_array_equal(s([lowest, highest]), [lowest, highest])
            np.testing.assert_array_equal(s([]), [])
            for bad in (lowest - 1, highest + 1):
                self.refuses("FV_BAD_ARGUMENT", "cannot hold", s, [0, bad])
            self.refuses("FV_BAD_ARGUMENT", "cannot hold", s, np.array([0, highest + 1], s._in_ports[0].type.dtype))
            if lowest == 0:
                self.refuses("FV_BAD_ARGUMENT", "numbers that uint%s cannot hold" % name[1], s, b"ab")


class Models(Case):
    def test_no_models(self):
        for model in (b"", b"abc" * 100, b"\0" * 1000, ADD[:60], "", "/no/such/file.onnx", os.path.dirname(__file__)):
            with self.subTest(model=model):
                with self.assertRaises(fovea.FoveaError) as caught:
                    fovea.Session(model)
                self.assertIn(caught.exception.status, ("FV_BAD_MODEL", "FV_BAD_FILE"))
        for model in (None, 3, [], {}, object()):
            with self.subTest(model=model):
                self.assertRaises(TypeError, fovea.Session, model)
        self.refuses("FV_BAD_ARGUMENT", "zero byte", fovea.Session, "a\0b")

    def test_folders(self):
        self.refuses("FV_BAD_ARGUMENT", "folder is for models in memory", fovea.Session, "m.onnx", folder=".")
        self.refuses("FV_BAD_ARGUMENT", "zero byte", fovea.Session, ADD, folder="a\0b")
        self.assertRaises(TypeError, fovea.Session, ADD, folder=3)
        self.refuses("FV_BAD_ARGUMENT", "only be loaded from a file", fovea.Session, b"\x7fELF" + b"x" * 100)

    def test_no_library(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as f:
            f.write(b"\x7fELF" + b"x" * 100)
            f.flush()
            self.refuses("FV_BAD_FILE", "cannot be loaded", fovea.Session, f.name)

    def test_options(self):
        for options, text in (({"level": 7}, "level is 7"), ({"level": "fast"}, "'fast'"), ({"target": "z80"}, "'z80'"),
                              ({"backend": "gpu"}, "'gpu'"), ({"threads": -1}, "threads is -1"),
                              ({"threads": "4"}, "threads is '4'"), ({"threads": None}, "threads is None"),
                              ({"dims": {"n": 1.5}}, "dim 'n' is 1.5"), ({"dims": {"n": None}}, "dim 'n' is None"),
                              ({"dims": {"n": (1, "x")}}, "dim 'n' is 'x'"), ({"enable": ["no-such"]}, "no-such"),
                              ({"target": "a\0b"}, "zero byte"), ({"relax": "all"}, "'all'"), ({"prefer": "rma"}, "'rma'")):
            with self.subTest(options):
                self.refuses("FV_BAD_ARGUMENT", text, fovea.Session, ADD, **options)
        self.refuses("FV_BAD_MODEL", "no dim 'q'", fovea.Session, ADD, dims={"q": 1})
        for options in ({"dims": {3: 1}}, {"target": 3}, {"no_such": 1}, {"states": {"x": None}}, {"dims": [1]},
                        {"states": 3}, {"passes": "fold"}, {"enable": [3]}, {"tuning": []}):
            with self.subTest(options):
                self.assertRaises(TypeError, fovea.Session, ADD, **options)

    def test_outputs_of_compile(self):
        with tempfile.TemporaryDirectory() as folder:
            self.refuses("FV_BAD_MODEL", "suffix", fovea.compile, ADD, os.path.join(folder, "add.txt"))
            self.refuses("FV_BAD_MODEL", "cannot write", fovea.compile, ADD, os.path.join(folder, "no/add.o"))
            self.assertRaises(TypeError, fovea.compile, ADD, None)
            self.assertEqual(os.listdir(folder), [])
