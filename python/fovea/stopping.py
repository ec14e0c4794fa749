"""Stopping runs: by signals whose handlers raise an exception, as Ctrl-C, and by other threads."""
import ctypes
from typing import Any, Generator, List

from . import library
from .handles import Guard

_PollFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Poll(ctypes.Structure):  # fv_poll
    _fields_ = [("call", _PollFunction), ("user", ctypes.c_void_p)]


def _signals(flag: Any, found: List[BaseException]) -> Generator[None, Any, None]:
    """Python handles signals where a generator is resumed: here within `try`, while a function would be
    left before its first statement, and C knows no exceptions."""
    while True:
        try:
            while True:
                yield
        except GeneratorExit:
            return
        except BaseException as e:  # of a handler, as KeyboardInterrupt
            found.append(e)
            flag.value = 1


class Stop:
    """What stops a call of the library; one call at a time uses it.

    flag       an int32 that is not 0 if the call shall end
    poll       the address of the fv_poll by which the main thread handles signals during the call; in
               other threads it does nothing
    """

    __slots__ = ("flag", "flag_at", "poll", "_found", "_poll", "_generator")

    def __init__(self) -> None:
        self.flag = ctypes.c_int32()
        self.flag_at = ctypes.addressof(self.flag)
        self._found: List[BaseException] = []
        self._generator = _signals(self.flag, self._found)
        next(self._generator)
        self._poll = Poll(_PollFunction(self._generator.send), None)
        self.poll = ctypes.addressof(self._poll)

    def raise_found(self) -> None:
        """Raises what a handler of a signal has raised."""
        if self._found:
            raise self._found.pop()


class Run(Stop):
    """What a run needs but its inputs and outputs: a log and options.

    options  the address of an fv_run_options
    env      an fv_env, whose seed is 0 if the run draws random numbers that no other run draws
    """

    __slots__ = ("log", "options", "env", "_options")

    def __init__(self, lib: Any, threads: int) -> None:
        super().__init__()
        self.log = library.Log(lib)
        self.env = library.Env(size=ctypes.sizeof(library.Env))
        self._options = library.RunOptions(size=ctypes.sizeof(library.RunOptions), threads=threads, cancel=self.flag_at,
                                           env=ctypes.addressof(self.env), poll=self.poll)
        self.options = ctypes.addressof(self._options)


class Terminator:
    """Stops all runs that have it, from any thread, and those that begin while `on` is true."""

    __slots__ = ("_lock", "_on", "_runs")

    def __init__(self) -> None:
        self._lock = Guard("the process was forked while a run began or ended")
        self._on = False
        self._runs: List[Stop] = []

    @property
    def on(self) -> bool:
        """Do runs stop?"""
        return self._on

    @on.setter
    def on(self, value: Any) -> None:
        with self._lock:
            self._on = bool(value)
            for run in self._runs if self._on else []:
                run.flag.value = 1

    def begin(self, run: Stop) -> None:
        """A run begins."""
        with self._lock:
            self._runs.append(run)
            run.flag.value = int(self._on)

    def end(self, run: Stop) -> None:
        """It has ended."""
        with self._lock:
            self._runs = [r for r in self._runs if r is not run]

    def __reduce__(self) -> Any:
        return Terminator, ()
