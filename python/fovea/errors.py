"""The exception of this package, and the messages of the library."""
import logging
import re
from typing import Iterable, List, Optional, Tuple

log = logging.getLogger("fovea")

STATUSES = ("FV_OK", "FV_BAD_DIM", "FV_BAD_INDEX", "FV_BAD_CPU", "FV_TOO_SMALL", "FV_TOO_LARGE", "FV_NO_MEMORY",
            "FV_CANCELLED", "FV_BAD_ARGUMENT", "FV_BAD_MODEL", "FV_BAD_FILE", "FV_INTERNAL",
            "FV_BAD_COMMUNICATOR")
NOTE, WARNING, ERROR = range(3)  # FV_LOG_ of fovea.h
_NODE = re.compile(r"\bnode '((?:[^'\\]|\\.)*)'")
_WORD = re.compile(r"(?:^|(?<=: ))(note|warning|error): ")
_WORDS = {"note": NOTE, "warning": WARNING, "error": ERROR}
_LEVELS = {NOTE: logging.INFO, WARNING: logging.WARNING}

Message = Tuple[int, str]  # severity, text


class FoveaError(RuntimeError):
    """A call failed.

    status    name of the status, such as "FV_BAD_DIM" (docs/api.md lists them)
    messages  the errors, a line each: where (a file, if it is known), what, found and expected
    node      name of the model's node that the first error is about, or None
    """

    def __init__(self, status: str, messages: List[str]) -> None:
        super().__init__("%s: %s" % (status, "; ".join(messages)))
        self.status = status
        self.messages = messages
        found = [_NODE.search(m) for m in messages]
        nodes = [m.group(1) for m in found if m]
        self.node: Optional[str] = nodes[0] if nodes else None

    def __reduce__(self) -> Tuple[type, Tuple[str, List[str]]]:
        return type(self), (self.status, self.messages)


def bad_argument(message: str) -> FoveaError:
    """The error for an argument that does not fit."""
    return FoveaError("FV_BAD_ARGUMENT", [message])


def of_lines(text: str) -> List[Message]:
    """The messages that the command has printed."""
    found = [(_WORD.search(line), line) for line in text.splitlines()]
    return [(_WORDS[m.group(1)] if m else ERROR, line) for m, line in found]


def report(status: int, messages: Iterable[Message]) -> None:
    """Passes warnings and notes to logging; raises FoveaError if the status is not FV_OK."""
    errors = []
    for severity, text in messages:
        text = _WORD.sub("", text, count=1)
        if severity in _LEVELS:
            log.log(_LEVELS[severity], "%s", text)
        else:  # an error, which a call that succeeds does not report
            errors.append(text)
    if status:
        name = STATUSES[status] if 0 <= status < len(STATUSES) else "status %d" % status
        raise FoveaError(name, errors or ["the library gave no message"])
