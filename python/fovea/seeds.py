"""Seeds of the random numbers that operators without a seed of their own draw in a run."""
import operator
from typing import Any, Optional

import numpy as np

from .errors import bad_argument
from .handles import Guard

_GIVEN = 1 << 62  # beyond the bits that count: a seed that is given is never 0, as in the command
_END = 1 << 40  # of the bits that count
_STEP = 0x9e3779b97f4a7c15  # of the generator splitmix64, as in the library


def _integer(seed: Any) -> int:
    if isinstance(seed, (bool, np.bool_)) or not hasattr(seed, "__index__"):
        raise bad_argument("seed is %r, expected an integer" % (seed,))
    return operator.index(seed)


class _Series:
    """The seeds of runs that are given none, after set_seed; before it, the library chooses them."""

    def __init__(self) -> None:
        self._lock = Guard("the process was forked while a run took its seed")
        self._at: Optional[int] = None

    def begin(self, seed: int) -> None:
        with self._lock:
            self._at = seed

    def next(self) -> int:
        if self._at is None:
            return 0
        with self._lock:
            x = self._at = (self._at + _STEP) % 2**64
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 % 2**64
        x = (x ^ x >> 27) * 0x94d049bb133111eb % 2**64
        return _GIVEN | ((x ^ x >> 31) % 2**40)


_series = _Series()


def of_run(seed: Any) -> int:
    """fv_env.seed of a run that is given this seed, or None; 0: the library chooses one."""
    if seed is None:
        return _series.next()
    number = _integer(seed)
    if not 0 <= number < _END:
        raise bad_argument("seed is %d, expected 0 to %d" % (number, _END - 1))
    return _GIVEN | number


def set_seed(seed: int) -> None:
    """Has the runs of this process that are given no seed draw the random numbers of a series: the same
    seed, and then the same runs in the same order, draw the same numbers."""
    _series.begin(_integer(seed) % 2**64)
