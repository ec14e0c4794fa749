"""Adapters: weights of a fine-tuning, in files of ONNX Runtime."""
import gc
import os
import struct
import tempfile

import fovea
import fovea as onnxruntime
import numpy as np
from graphs import Case

MODEL = b"""fovea-ir 1
module "lora"
symbol r 0..64
func @main(%x: f32[2, 3], %a: f32[3, r], %b: f32[r, 4]) -> (%y) {
  %low = MatMul(%x, %a)
  %y = MatMul(%low, %b)
  return %y
}
"""
TYPES = {"float32": 1, "int32": 6, "int64": 7, "float16": 10}


def table(fields):
    """A table and its vtable before it; fields: 4 bytes each, or None for one that is absent. Returns the bytes, and
    where the table and its fields are."""
    offsets, at = [], 4
    for f in fields:
        offsets.append(0 if f is None else at)
        at += 0 if f is None else 4
    vtable = struct.pack("<HH", 4 + 2 * len(fields), at) + b"".join(struct.pack("<H", o) for o in offsets)
    vtable += b"\0" * (-len(vtable) % 4)
    body = struct.pack("<i", len(vtable)) + b"".join(f for f in fields if f is not None)
    return vtable + body, len(vtable), [len(vtable) + o for o in offsets]


def write_adapter(path, values, version=1):
    """A FlatBuffer of ONNX Runtime's schema; fields of a parameter: name, dims, data_type, raw_data."""
    file = bytearray(b"\0\0\0\0TORT")

    def point(at):
        file[at:at + 4] = struct.pack("<I", len(file) - at)

    def vector(at, content, count, align=4):
        while (len(file) + 4) % align:
            file.append(0)
        point(at)
        file.extend(struct.pack("<I", count) + content)
        while len(file) % 4:
            file.append(0)

    content, at, fields = table([struct.pack("<i", version), struct.pack("<i", 1), struct.pack("<i", 1), b"\0" * 4])
    start = len(file)
    file.extend(content)
    file[0:4] = struct.pack("<I", start + at)
    list_at = start + fields[3]
    start = len(file) + 4
    vector(list_at, b"\0" * (4 * len(values)), len(values))
    for i, (name, value) in enumerate(values.items()):
        content, at, fields = table([b"\0" * 4, b"\0" * 4, struct.pack("<i", TYPES[str(value.dtype)]), b"\0" * 4])
        begin = len(file)
        file.extend(content)
        file[start + 4 * i:start + 4 * i + 4] = struct.pack("<I", begin + at - start - 4 * i)
        vector(begin + fields[0], name.encode() + b"\0", len(name))
        vector(begin + fields[1], struct.pack("<%dq" % value.ndim, *value.shape), value.ndim, 8)
        vector(begin + fields[3], value.tobytes(), value.nbytes, 8)
    with open(path, "wb") as f:
        f.write(file)


def values(rank, seed):
    random = np.random.default_rng(seed)
    return {"a": random.standard_normal((3, rank)).astype(np.float32),
            "b": random.standard_normal((rank, 4)).astype(np.float32)}


X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Adapters(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, parameters, name="f.onnx_adapter", **more):
        path = os.path.join(self.folder.name, name)
        write_adapter(path, parameters, **more)
        return path

    def test_values(self):
        given = dict(values(5, 1), i=np.int64(7).reshape(()), e=np.zeros((0, 3), np.float16))
        found = fovea.Adapter(self.file(given))
        self.assertEqual(list(found), sorted(given))
        for name, value in given.items():
            self.assertEqual((found[name].dtype, found[name].shape), (value.dtype, value.shape))
            np.testing.assert_array_equal(found[name], value)
            self.assertFalse(found[name].flags.writeable)
        a = found["a"]
        del found
        gc.collect()
        np.testing.assert_array_equal(a, given["a"])  # the array keeps the file's memory

    def test_switched_without_compiling(self):
        with fovea.Session(MODEL) as s:
            for rank in (1, 4, 16, 0):
                given = values(rank, rank)
                adapter = fovea.Adapter(self.file(given))
                y = s.run(None, {"x": X, **adapter})[0]
                np.testing.assert_allclose(y, X @ given["a"] @ given["b"], rtol=1e-5, atol=1e-5)

    def test_as_in_onnx_runtime(self):
        given = values(4, 2)
        adapter = onnxruntime.LoraAdapter()
        adapter.Load(self.file(given))
        options = onnxruntime.RunOptions()
        options.add_active_adapter(adapter)
        s = onnxruntime.InferenceSession(MODEL)
        np.testing.assert_allclose(s.run(None, {"x": X}, options)[0], X @ given["a"] @ given["b"], rtol=1e-5, atol=1e-5)
        self.refuses("FV_BAD_ARGUMENT", "has a value already", s.run, None, {"x": X, "a": given["a"]}, options)
        options.add_active_adapter(adapter)
        self.refuses("FV_BAD_ARGUMENT", "has a value already", s.run, None, {"x": X}, options)
        self.refuses("FV_BAD_ARGUMENT", "expected LoraAdapter", options.add_active_adapter, given)

    def test_bad(self):
        self.refuses("FV_BAD_FILE", "cannot be read", fovea.Adapter, os.path.join(self.folder.name, "none"))
        self.refuses("FV_BAD_FILE", "cannot be read", fovea.Adapter, self.folder.name)
        self.refuses("FV_BAD_FILE", "version 2, expected 1", fovea.Adapter, self.file(values(2, 1), version=2))
        self.assertRaises(TypeError, fovea.Adapter, None)
        pipe = os.path.join(self.folder.name, "pipe")
        os.mkfifo(pipe)
        self.refuses("FV_BAD_FILE", "cannot be read", fovea.Adapter, pipe)
        path = self.file(values(2, 1))
        with open(path, "rb") as f:
            content = f.read()
        for size in range(len(content)):
            with open(path, "wb") as f:
                f.write(content[:size])
            with self.assertRaises(fovea.FoveaError):
                fovea.Adapter(path)
