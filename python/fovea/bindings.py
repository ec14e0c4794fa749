"""Values and bindings as ONNX Runtime has them; everything is in the memory of this process."""
import ctypes
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import types
from .errors import bad_argument


def _on_cpu(device: Any) -> None:
    if str(device).lower() not in ("cpu", "cuda_pinned"):
        raise bad_argument("the device is %r, expected 'cpu'" % (device,))


def _dtype(element_type: Any) -> Any:
    """The dtype of a dtype, or of a number of ONNX."""
    if isinstance(element_type, int) and element_type in types.BY_NUMBER:
        return types.BY_NUMBER[element_type].public_dtype()
    return np.dtype(element_type)


class OrtDevice:
    """The CPU."""

    def __init__(self, device_type: str = "cpu", device_id: int = 0) -> None:
        _on_cpu(device_type)
        self._id = device_id

    @staticmethod
    def make(device_type: str, device_id: int = 0) -> "OrtDevice":
        """The device with this name."""
        return OrtDevice(device_type, device_id)

    def device_type(self) -> str:
        """Its name."""
        return "cpu"

    def device_id(self) -> int:
        """Its number."""
        return self._id


class OrtValue:
    """An array, with the methods of ONNX Runtime."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @staticmethod
    def ortvalue_from_numpy(numpy_obj: Any, device_type: str = "cpu", device_id: int = 0) -> "OrtValue":
        """The array, without a copy."""
        _on_cpu(device_type)
        return OrtValue(np.asarray(numpy_obj))

    @staticmethod
    def ortvalue_from_shape_and_type(shape: Sequence[int], element_type: Any, device_type: str = "cpu",
                                     device_id: int = 0) -> "OrtValue":
        """Zeros."""
        _on_cpu(device_type)
        return OrtValue(np.zeros(tuple(shape), _dtype(element_type)))

    def numpy(self) -> Any:
        """The array."""
        return self._array

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Any:
        return self._array if dtype is None else self._array.astype(dtype)

    def shape(self) -> List[int]:
        """Its dims."""
        return list(self._array.shape)

    def element_type(self) -> int:
        """The number of its type in ONNX; 0: it has none."""
        found = [t.number for t in types.BY_NUMBER.values() if t.public_dtype() == self._array.dtype]
        return found[0] if found else 0

    def data_type(self) -> str:
        """Its type as a text."""
        number = self.element_type()
        return "tensor(%s)" % (types.BY_NUMBER[number].name if number else "string")

    def data_ptr(self) -> int:
        """The address of its first element."""
        return int(self._array.ctypes.data)

    def device_name(self) -> str:
        """The name of its device."""
        return "cpu"

    def is_tensor(self) -> bool:
        """Is it an array?"""
        return isinstance(self._array, np.ndarray)

    def has_value(self) -> bool:
        """Is it not an absent optional?"""
        return self._array is not None

    def update_inplace(self, np_arr: Any) -> None:
        """Copies these values to it."""
        np.copyto(self._array, np_arr, casting="no")


class IOBinding:
    """The inputs of a run by name, and where its outputs are copied."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.clear_binding_inputs()
        self.clear_binding_outputs()

    def clear_binding_inputs(self) -> None:
        """Forgets the inputs."""
        self._feed: Dict[str, Any] = {}

    def clear_binding_outputs(self) -> None:
        """Forgets the outputs."""
        self._into: Dict[str, Any] = {}  # None: a new array
        self._found: List[OrtValue] = []

    def bind_cpu_input(self, name: str, arr_on_cpu: Any) -> None:
        """Binds an array, which is read when the model is run."""
        self._feed[name] = arr_on_cpu

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        """Binds the array of a value."""
        self._feed[name] = ortvalue.numpy()

    def bind_input(self, name: str, device_type: str, device_id: int, element_type: Any, shape: Sequence[int],
                   buffer_ptr: int) -> None:
        """Binds memory of the caller."""
        _on_cpu(device_type)
        self._feed[name] = _at(buffer_ptr, _dtype(element_type), tuple(shape))

    def bind_output(self, name: str, device_type: str = "cpu", device_id: int = 0, element_type: Any = None,
                    shape: Optional[Sequence[int]] = None, buffer_ptr: Optional[int] = None) -> None:
        """Requests an output; its values are copied to the memory of the caller, if there is one."""
        _on_cpu(device_type)
        self._into[name] = _at(buffer_ptr, _dtype(element_type), tuple(shape or ())) if buffer_ptr else None

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Requests an output, whose values are copied to this array."""
        self._into[name] = ortvalue.numpy()

    def synchronize_inputs(self) -> None:
        """All memory is the CPU's."""

    def synchronize_outputs(self) -> None:
        """All memory is the CPU's."""

    def get_outputs(self) -> List[OrtValue]:
        """The outputs of the last run, in the order in which they were bound."""
        return list(self._found)

    def copy_outputs_to_cpu(self) -> List[Any]:
        """The same as arrays."""
        return [v.numpy() for v in self._found]

    def run(self, run_options: Any) -> None:
        """Runs the model."""
        values = self._session.run(list(self._into) or None, self._feed, run_options)
        into = list(self._into.items()) or [("", None)] * len(values)
        self._found = [OrtValue(value if target is None else _copied(value, target, name))
                       for value, (name, target) in zip(values, into)]


def _at(address: int, dtype: Any, shape: Tuple[int, ...]) -> Any:
    """The array in memory of the caller."""
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if not count:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * count).from_address(address)
    return np.frombuffer(memory, dtype).reshape(shape)


def _copied(value: Any, target: Any, name: str) -> Any:
    if target.shape != value.shape or target.dtype != value.dtype:
        raise bad_argument("output '%s' is %s%s, it is bound to %s%s" % (
            name, value.dtype, list(value.shape), target.dtype, list(target.shape)))
    np.copyto(target, value)
    return target
