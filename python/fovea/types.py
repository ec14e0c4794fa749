"""Element types of tensors: the numbers and names of ONNX, and numpy's dtypes."""
from typing import Any, Dict, Optional

import numpy as np


class ElementType:
    """An element type.

    number   that of ONNX's TensorProto.DataType
    name     as in ONNX Runtime's "tensor(float)"
    dtype    the dtype of numpy in which elements are stored: for types that numpy lacks, unsigned
             integers with the same bits; for types of less than a byte, one element per byte
    bits     size of an element in a tensor of the library
    ml       name of the type in the package ml_dtypes, for types that numpy lacks
    """

    __slots__ = ("number", "name", "dtype", "bits", "ml")

    def __init__(self, number: int, name: str, dtype: Any, bits: int = 0, ml: Optional[str] = None) -> None:
        self.number, self.name, self.ml = number, name, ml
        self.dtype = np.dtype(dtype)
        self.bits = bits or 8 * self.dtype.itemsize

    def takes(self, dtype: Any) -> bool:
        """Can elements of this dtype be viewed as self.dtype?"""
        return bool(dtype == self.dtype or (self.ml is not None and dtype == self.public_dtype()))

    def holds(self, array: Any) -> bool:
        """Do the elements of this array, of self.dtype, fit the bits of the type?"""
        if self.bits >= 8 * self.dtype.itemsize or array.size == 0:
            return True
        lowest = -(1 << (self.bits - 1)) if self.dtype.kind == "i" else 0
        return bool(array.min() >= lowest and array.max() < lowest + (1 << self.bits))

    def public_dtype(self) -> Any:
        """The dtype of results: that of ml_dtypes if it is installed and has the type."""
        if self.ml is None:
            return self.dtype
        try:
            import ml_dtypes
        except ImportError:
            return self.dtype
        return np.dtype(getattr(ml_dtypes, self.ml, self.dtype))


STRING = 8
_ALL = [
    ElementType(1, "float", np.float32), ElementType(2, "uint8", np.uint8), ElementType(3, "int8", np.int8),
    ElementType(4, "uint16", np.uint16), ElementType(5, "int16", np.int16), ElementType(6, "int32", np.int32),
    ElementType(7, "int64", np.int64), ElementType(9, "bool", np.bool_), ElementType(10, "float16", np.float16),
    ElementType(11, "double", np.float64), ElementType(12, "uint32", np.uint32), ElementType(13, "uint64", np.uint64),
    ElementType(14, "complex64", np.complex64), ElementType(15, "complex128", np.complex128),
    ElementType(16, "bfloat16", np.uint16, ml="bfloat16"),
    ElementType(17, "float8e4m3fn", np.uint8, ml="float8_e4m3fn"),
    ElementType(18, "float8e4m3fnuz", np.uint8, ml="float8_e4m3fnuz"),
    ElementType(19, "float8e5m2", np.uint8, ml="float8_e5m2"),
    ElementType(20, "float8e5m2fnuz", np.uint8, ml="float8_e5m2fnuz"),
    ElementType(21, "uint4", np.uint8, 4, ml="uint4"), ElementType(22, "int4", np.int8, 4, ml="int4"),
    ElementType(23, "float4e2m1", np.uint8, 4, ml="float4_e2m1fn"),
    ElementType(24, "float8e8m0", np.uint8, ml="float8_e8m0fnu"),
    ElementType(25, "uint2", np.uint8, 2, ml="uint2"), ElementType(26, "int2", np.int8, 2, ml="int2"),
]
BY_NUMBER: Dict[int, ElementType] = {t.number: t for t in _ALL}
_BY_DTYPE: Dict[Any, ElementType] = {t.dtype: t for t in reversed(_ALL) if t.ml is None}


def of_dtype(dtype: Any) -> Optional[ElementType]:
    """The element type with this dtype of numpy; None if there is none."""
    return _BY_DTYPE.get(dtype)


def pack(elements: Any, bits: int) -> Any:
    """Elements of less than a byte, one per byte, to the packed bytes that the library reads."""
    per = 8 // bits
    flat = elements.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    rows = np.zeros((-(-flat.size // per), per), np.uint8)
    rows.reshape(-1)[:flat.size] = flat
    packed = np.zeros(len(rows), np.uint8)
    for i in range(per):
        packed |= rows[:, i] << np.uint8(bits * i)
    return packed


def unpack(packed: Any, kind: ElementType, shape: Any) -> Any:
    """The reverse of pack: one element per byte, with this shape."""
    bits, per = kind.bits, 8 // kind.bits
    shifts = np.arange(per, dtype=np.uint8) * bits
    flat = (packed[:, None] >> shifts & ((1 << bits) - 1)).astype(np.uint8).reshape(-1)
    count = 1
    for n in shape:
        count *= n
    elements = flat[:count]
    if kind.dtype == np.int8:  # the highest bit is the sign
        sign = 1 << (bits - 1)
        elements = ((elements ^ sign).astype(np.int8) - np.int8(sign)).astype(np.int8)
    return elements.reshape(shape)
