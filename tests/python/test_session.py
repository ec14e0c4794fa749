"""Sessions on tensors: arguments, results, memory, threads."""
import gc
import logging
import os
import pickle
import tempfile
import threading

import fovea
import numpy as np
from graphs import ADD, GATHER, NONZERO, ROOT, TWO, Case, copy_of

X = np.arange(6, dtype=np.float32).reshape(3, 2)
Z = np.array([10, 20], np.float32)


class Running(Case):
    def setUp(self):
        self.session = fovea.Session(ADD)
        self.addCleanup(self.session.close)

    def test_by_name_and_in_order(self):
        for y in (self.session.run(None, {"x": X, "z": Z})[0], self.session.run(["y"], {"z": Z, "x": X})[0],
                  self.session(X, Z), self.session(X, z=Z)):
            np.testing.assert_array_equal(y, X + Z)
            self.assertEqual(y.dtype, np.float32)

    def test_outputs_are_chosen_and_ordered(self):
        s = fovea.Session(TWO)
        total, twice = s(np.float32([1, 2]))
        self.assertEqual((total.shape, float(total)), ((), 3.0))
        swapped = s.run(["twice", "sum"], {"x": np.float32([1, 2])})
        np.testing.assert_array_equal(swapped[0], twice)
        self.assertEqual(float(swapped[1]), 3.0)

    def test_what_it_tells_of_itself(self):
        x, z = self.session.get_inputs()
        self.assertEqual((x.name, x.type, x.shape), ("x", "tensor(float)", ["n", 2]))
        self.assertEqual((z.name, z.shape), ("z", [2]))
        self.assertEqual([v.name for v in self.session.get_outputs()], ["y"])
        self.assertIn("x, z -> y", repr(self.session))

    def test_any_length_of_a_symbolic_dim(self):
        for n in (0, 1, 8):
            x = np.ones((n, 2), np.float32)
            np.testing.assert_array_equal(self.session(x, Z), x + Z)

    def test_runs_that_alternate_in_shape(self):
        kept = []
        for n in (2, 2, 3, 3, 0, 3, 2, 2):
            x = np.full((n, 2), n, np.float32)
            kept.append((self.session(x, Z), x + Z))
        for y, wanted in kept:
            np.testing.assert_array_equal(y, wanted)

    def test_after_a_run_that_failed(self):
        for _ in range(2):
            self.session(X, Z)
            self.refuses("FV_BAD_DIM", "'x'", self.session, np.ones((9, 2), np.float32), Z)
            self.refuses("FV_BAD_ARGUMENT", "int32", self.session, X.astype(np.int32), Z)
            np.testing.assert_array_equal(self.session(X, Z), X + Z)

    def test_sizes_that_depend_on_data(self):
        s = fovea.Session(NONZERO)
        for x in ([1, 0, 2, 3], [0, 0, 0, 0], [0, 0, 5, 0]):
            np.testing.assert_array_equal(s(np.float32(x)), [np.flatnonzero(x)])

    def test_results_outlive_the_session(self):
        y = self.session(X, Z)
        self.session.close()
        gc.collect()
        np.testing.assert_array_equal(y, X + Z)
        self.assertTrue(y.flags.writeable)

    def test_threads_share_a_session(self):
        wrong = []

        def work(seed):
            z = np.full(2, seed, np.float32)
            for _ in range(50):
                if not np.array_equal(self.session(X, z), X + z):
                    wrong.append(seed)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_closing_while_others_run(self):
        begun = threading.Event()
        ends = []

        def work():
            try:
                while True:
                    self.session(X, Z)
                    begun.set()
            except fovea.FoveaError as e:
                ends.append(e.messages)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        begun.wait(10)
        self.session.close()
        for t in threads:
            t.join(10)
        self.assertEqual(ends, [["the session is closed"]] * 2)

    def test_with_block(self):
        with fovea.Session(ADD) as s:
            s(X, Z)
        self.refuses("FV_BAD_ARGUMENT", "the session is closed", s, X, Z)
        s.close()


class Layouts(Case):
    def setUp(self):
        self.session = fovea.Session(ADD)

    def same(self, x):
        np.testing.assert_array_equal(self.session(x, Z), np.asarray(x, np.float32) + Z)

    def test_strides(self):
        self.same(np.asfortranarray(X))
        self.same(X[::-1])
        self.same(np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2])
        self.same(np.broadcast_to(np.float32(3), (3, 2)))

    def test_byte_order(self):
        self.same(X.astype(">f4"))

    def test_no_aligned_address(self):
        self.same(np.frombuffer(b"x" + X.tobytes(), np.float32, offset=1).reshape(3, 2))

    def test_read_only(self):
        x = X.copy()
        x.flags.writeable = False
        self.same(x)

    def test_lists_and_scalars(self):
        self.same([[1, 2], [3, 4.5]])
        self.assertEqual(float(fovea.Session(copy_of("i8"))([1, -2, 3])[1]), -2)

    def test_protocols(self):
        class Array:
            def __array__(self, dtype=None, copy=None):
                return X

        class Capsule:
            def __dlpack__(self, **named):
                return X.__dlpack__()

            def __dlpack_device__(self):
                return X.__dlpack_device__()
        for x in (Array(), Capsule(), memoryview(X)):
            np.testing.assert_array_equal(self.session(x, Z), X + Z)


class Types(Case):
    def test_each_type(self):
        for element, dtype in {"f16": "float16", "f32": "float32", "f64": "float64", "i8": "int8", "u8": "uint8",
                               "i16": "int16", "u16": "uint16", "i32": "int32", "u32": "uint32", "i64": "int64",
                               "u64": "uint64", "bool": "bool"}.items():
            with self.subTest(element):
                x = np.array([1, 0, 3]).astype(dtype)
                np.testing.assert_array_equal(fovea.Session(copy_of(element))(x), x.astype(np.float32))

    def test_types_that_numpy_lacks(self):
        s = fovea.Session(copy_of("bf16"))
        self.assertEqual(s.get_inputs()[0].type, "tensor(bfloat16)")
        np.testing.assert_array_equal(s(np.array([0x3f80, 0xc000, 0], np.uint16)), [1, -2, 0])
        s = fovea.Session(copy_of("i4"))
        np.testing.assert_array_equal(s(np.array([7, -8, 3], np.int8)), [7, -8, 3])
        s = fovea.Session(copy_of("f8e4m3fn"))
        np.testing.assert_array_equal(s(np.array([0x38, 0xc0, 0], np.uint8)), [1, -2, 0])


class Models(Case):
    def test_path_bytes_and_proto(self):
        path = os.path.join(ROOT, "examples/dates/dates.onnx")
        with open(path, "rb") as f:
            content = f.read()
        models = [path, content, bytearray(content), memoryview(content)]
        try:
            import onnx
            models.append(onnx.load(path))
        except ImportError:
            print("skipped: the package onnx is not installed, a session of an onnx.ModelProto")
        text = np.zeros((1, 40), np.int32)
        text[0, :10] = list(b"3 May 1979")
        results = [fovea.Session(m, level=1, backend="interp")(text) for m in models]
        for r in results:
            self.assertEqual(r.shape, (1, 10, 11))
            np.testing.assert_array_equal(r, results[0])

    def test_compiled_library(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "add.so")
            target = "x86-64" if os.uname().machine == "x86_64" else None
            fovea.compile(ADD, path, target=target, header=False)
            self.assertEqual(os.listdir(folder), ["add.so"])
            fovea.compile(ADD, path, target=target)
            self.assertEqual(sorted(os.listdir(folder)), ["add.h", "add.so"])
            s = fovea.Session(path)
            np.testing.assert_array_equal(s(X, Z), X + Z)
            self.refuses("FV_BAD_ARGUMENT", "'dims' was decided when it was compiled", fovea.Session, path,
                         dims={"n": 3})
            for backend in ("c", "jit"):
                self.refuses("FV_BAD_ARGUMENT", "'backend' was decided when it was compiled", fovea.Session, path,
                             backend=backend)
            with open(path, "rb") as f:
                self.refuses("FV_BAD_ARGUMENT", "loaded from a file", fovea.Session, f.read())

    def test_options(self):
        s = fovea.Session(ADD, dims={"n": 3}, threads=1, level=1, backend="interp", target="generic")
        self.assertEqual(s.get_inputs()[0].shape, [3, 2])
        np.testing.assert_array_equal(s(X, Z), X + Z)
        for preference in ("time", "ram", None):
            s = fovea.Session(ADD, backend="interp", prefer=preference)
            np.testing.assert_array_equal(s(X, Z), X + Z)
        s = fovea.Session(ADD, dims={"n": (1, 4)})
        self.refuses("FV_BAD_DIM", "'n' may be 1 to 4", s, np.ones((5, 2), np.float32), Z)


class Errors(Case):
    def test_index_of_the_data(self):
        s = fovea.Session(GATHER)
        e = self.refuses("FV_BAD_INDEX", "input 'at' is 9", s, np.ones(4, np.float32), np.array([9]))
        self.assertIsNone(e.node)

    def test_node(self):
        e = self.refuses("FV_BAD_MODEL", "expected an int", fovea.Session, copy_of("f16").replace(b"to = 1", b"to = f32"))
        self.assertEqual(e.node, "%y")
        again = pickle.loads(pickle.dumps(e))
        self.assertEqual((again.status, again.messages, again.node), (e.status, e.messages, e.node))

    def test_the_session_runs_again(self):
        s = fovea.Session(ADD)
        self.refuses("FV_BAD_DIM", "'x'", s, np.ones((9, 2), np.float32), Z)
        np.testing.assert_array_equal(s(X, Z), X + Z)

    def test_warnings_go_to_logging(self):
        path = os.path.join(ROOT, "examples/dates/dates.onnx")
        with self.assertLogs("fovea", logging.INFO) as logs:
            fovea.InferenceSession(path, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
        self.assertIn("provider 'CUDAExecutionProvider' is not used", logs.output[0])
