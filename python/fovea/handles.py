"""Pointers that the library has returned: each has one owner, and is freed once."""
import ctypes
import os
import threading
from typing import Any, NoReturn

from .errors import bad_argument


class Handle:
    """A pointer of the library, which is freed with the last reference to this object.

    Whoever uses the pointer in a call keeps a reference until the call returns. So a thread can
    close an object that another one is using: the last of them frees it. Copies of an object share
    its handles, since a handle is never copied itself.

    pointer  an address, or a struct of ctypes that has it
    """

    __slots__ = ("pointer", "_free", "__weakref__")

    def __init__(self, pointer: Any, free: Any) -> None:
        self.pointer, self._free = pointer, free

    def __copy__(self) -> "Handle":
        return self

    def __deepcopy__(self, memo: Any) -> "Handle":
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("memory of the library cannot be pickled")

    def __del__(self) -> None:
        free = getattr(self, "_free", None)
        if free is not None:
            free(self.pointer)


def made(status: int, out: ctypes.c_void_p, free: Any) -> Any:
    """The owner of what a call has returned in `out`; None after a failure."""
    return Handle(out.value, free) if status == 0 and out.value is not None else None


class Guard:
    """A lock that a thread may take again. If another thread held it when this process was forked, what
    it guards is half changed: then it cannot be taken, and `forked` is the message.
    """

    __slots__ = ("_forked", "_lock", "_process")

    def __init__(self, forked: str) -> None:
        self._forked, self._lock, self._process = forked, threading.RLock(), os.getpid()

    def __enter__(self) -> None:
        if self._process != os.getpid():
            if not self._lock.acquire(blocking=False):
                raise bad_argument(self._forked)
            self._lock, self._process = threading.RLock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()
