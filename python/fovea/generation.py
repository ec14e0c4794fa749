"""Generating ids with a decoder, by the generators of the library (runtime/fovea.h)."""
import ctypes
from typing import Any, Dict, Iterator, List, Mapping, NoReturn, Optional, Sequence, Tuple

from . import library, options, source, stopping
from .errors import bad_argument, report
from .handles import Guard, Handle, made
from .session import Session


class Decoder(Session):
    """A session for generate(): its caches are found by their names, and stay in place if the model
    allows that. Arguments as for Session; `states` adds caches with other names."""

    def _load(self, given: Dict[str, Any]) -> None:
        library.compiler()  # which loads compiled libraries, too, and is used then
        super()._load(given)

    def _compile(self, o: library.CompileOptions) -> None:
        m = self._source
        self._library = library.compiler()
        if m.content is None:
            self._make(self._library.fv_compile_decoder, m.path, ctypes.byref(o))
            return
        if m.folder is not None:
            raise bad_argument("a decoder in memory cannot have external data; its path is needed")
        with source.path_for_command(m.content) as (path, _, _):
            self._make(self._library.fv_compile_decoder, path, ctypes.byref(o))


def _integer(value: Any, what: str) -> int:
    try:
        n = int(value.__index__())
    except (AttributeError, TypeError):
        raise bad_argument("%s is %r, expected an integer" % (what, value)) from None
    if not -2**63 <= n < 2**63:
        raise bad_argument("%s is %d, expected an integer of 64 bits" % (what, n))
    return n


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise bad_argument("%s is %r, expected a number" % (what, value)) from None


def _is_list(values: Any) -> bool:
    return hasattr(values, "__iter__") and not isinstance(values, (str, bytes))


def _ids(values: Any, what: str) -> Any:
    """An array of C of these ids."""
    if not _is_list(values):
        raise bad_argument("%s is %r, expected a list of ids" % (what, values))
    ids = [_integer(v, "an id of %s" % what) for v in values]
    return (ctypes.c_int64 * len(ids))(*ids)


def _read_once(ids: Any) -> Any:
    """The ids, or prompts, as a list, since an iterator gives them only once."""
    return list(ids) if _is_list(ids) else ids


def _is_one(ids: Any) -> bool:
    """Is it one prompt, and not a list of prompts?"""
    return not _is_list(ids) or not any(_is_list(i) for i in ids)


class Generation:
    """An iterator over ids, each with the number of its prompt: (0, 17). Made by generate_stream().

    It may be left before its end; close(), or the end of a `with` block, frees its caches.
    """

    def __init__(self, session: Session, prompts: List[Any], o: library.GenerateOptions,
                 inputs: Optional[Mapping[str, Any]], owned: bool) -> None:
        self._handle: Optional[Handle] = None  # None: it is closed
        self._session, self._owned = session, owned
        self._last = library.GenerateReport()  # of a generation that is closed
        self._library = library.compiler()
        if session._library is not self._library:
            raise bad_argument("the session has loaded a compiled library without the compiler; "
                               "fovea.Decoder(PATH) loads it for generating")
        self._lock = Guard("the process was forked while the generation computed an id: begin another one")
        self._keep: List[Any] = [o, prompts]
        o.given = self._given(inputs)
        self._stop = stopping.Stop()
        o.cancel, o.poll = self._stop.flag_at, self._stop.poll
        texts = (library.Prompt * len(prompts))(*[library.Prompt(p, len(p)) for p in prompts])
        handle = ctypes.c_void_p()
        self._model: Optional[Handle] = session._open()
        log = library.Log(self._library)
        status = self._library.fv_generator_new(session._open().pointer, len(prompts), texts, ctypes.byref(o), log.handle,
                                                ctypes.byref(handle))
        self._handle = made(status, handle, self._library.fv_generator_free)
        report(status, log.take())

    def _given(self, inputs: Optional[Mapping[str, Any]]) -> Any:
        """Arrays of the inputs that are the same in each run."""
        if not inputs:
            return None
        arrays = self._session._input_arrays()
        names = {v.name: v for v in self._session._inputs}
        for name, value in inputs.items():
            if name not in names:
                raise bad_argument("there is no input %r; the model has %s" % (name, self._session._input_list()))
            for port, array in zip(names[name].ports, names[name].to_parts(value)):
                port.fill(arrays[port.index], array, self._keep)
        self._keep.append(arrays)
        return ctypes.addressof(arrays)

    def __iter__(self) -> Iterator[Tuple[int, int]]:
        return self

    def __next__(self) -> Tuple[int, int]:
        sequence, found = ctypes.c_int(-1), ctypes.c_int64()
        with self._lock:
            if self._handle is None:
                raise StopIteration
            self._session._open()
            log = library.Log(self._library)
            status = self._library.fv_generator_next(self._handle.pointer, ctypes.byref(sequence), ctypes.byref(found),
                                                     log.handle)
            self._stop.raise_found()
            report(status, log.take())
        if sequence.value < 0:
            raise StopIteration
        return sequence.value, found.value

    def report(self) -> Dict[str, Any]:
        """The numbers of `fovea generate --json`, so far: caches, caches_in_place; prefill_ids, the ids of
        prompts, and decode_ids, those after the first one of each sequence; prefill_ms and decode_ms, the
        milliseconds of these; tokens_per_second of decoding, None if there was none. After close() they stay
        as they were."""
        with self._lock:
            r = self._read_report()
        return {"caches": r.caches, "caches_in_place": r.in_place, "prefill_ids": r.prompt_ids, "prefill_ms": r.prompt_ms,
                "decode_ids": r.ids, "decode_ms": r.ms, "tokens_per_second": 1e3 * r.ids / r.ms if r.ms > 0 else None}

    def close(self) -> None:
        """Frees the caches; no more ids follow."""
        with self._lock:
            self._last = self._read_report()
            self._handle = self._model = None
        if self._owned:
            self._session.close()

    def _read_report(self) -> library.GenerateReport:
        if self._handle is None:
            return self._last
        r = library.GenerateReport()
        self._library.fv_generator_report(self._handle.pointer, ctypes.byref(r))
        return r

    def __enter__(self) -> "Generation":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a generation cannot be copied or pickled, since its caches exist once; generate_stream() "
                        "begins another one")


def _options(tokens: Any, temperature: Any, top_k: Any, top_p: Any, seed: Any, stop: Any, chunk: Any,
             threads: int) -> library.GenerateOptions:
    o = library.GenerateOptions(size=ctypes.sizeof(library.GenerateOptions), threads=threads)
    ends = _ids(stop, "stop")
    o.tokens, o.stop, o.nstop = _integer(tokens, "tokens"), ends, len(ends)
    o.temperature = _number(temperature, "temperature")
    o.top_k = 0 if top_k is None else _integer(top_k, "top_k")
    o.top_p = 0 if top_p is None else _number(top_p, "top_p")
    if top_p is not None and not 0 < o.top_p <= 1:
        raise bad_argument("top_p is %r, expected a number above 0, of at most 1" % (top_p,))
    o.seed, o.chunk = _integer(seed, "seed") % 2**64, _integer(chunk, "chunk")
    return o


def generate_stream(model: Any, ids: Any, *, tokens: int = 100, temperature: float = 0, top_k: Optional[int] = None,
                    top_p: Optional[float] = None, seed: int = 0, stop: Sequence[int] = (), chunk: int = 0,
                    inputs: Optional[Mapping[str, Any]] = None, **more: Any) -> Generation:
    """The ids of generate(), each as soon as it is known, with the number of its prompt."""
    ids = _read_once(ids)
    prompts = [_ids(ids, "the prompt")] if _is_one(ids) else [_ids(p, "prompt %d" % (i + 1)) for i, p in enumerate(ids)]
    owned = not isinstance(model, Session)
    if more and not owned:
        options.make(**{k: v for k, v in more.items() if k not in ("threads", "folder")})  # refuses unknown names
        raise bad_argument("'%s' is an option of the session, expected when it is made: fovea.Decoder(PATH, %s=...)"
                           % (2 * (sorted(more)[0],)))
    session = Decoder(model, **more) if owned else model
    try:
        o = _options(tokens, temperature, top_k, top_p, seed, stop, chunk, session._threads)
        return Generation(session, prompts, o, inputs, owned)
    except BaseException:
        if owned:
            session.close()
        raise


def generate(model: Any, ids: Any, **options: Any) -> List[Any]:
    """Continues sequences of ids with a decoder. Returns the ids that follow the prompt, as a list; for
    several prompts a list of such lists.

    model        a path, bytes or an onnx.ModelProto; or a session: Decoder, or Session with states
    ids          the ids of the prompt, or a list of prompts
    tokens       ids after which a sequence ends (100)
    stop         ids with which it ends before that; the last id is one of these then
    temperature  0: the most probable id follows; otherwise one is drawn, with probabilities
                 proportional to exp(logit / temperature)
    top_k        draws from the top_k most probable ids; top_p: from the most probable ones that together
                 have this probability; seed: of the draws
    chunk        ids of a prompt that one run takes, if the model has caches (512)
    inputs       {"mel": array}: values that are the same in each run, as of an encoder's inputs
    others       options of Session, unless model is a session

    `fovea generate` gives the same ids.
    """
    ids = _read_once(ids)
    found: List[List[int]] = [[]] if _is_one(ids) else [[] for _ in ids]
    with generate_stream(model, ids, **options) as stream:
        for sequence, i in stream:
            found[sequence].append(i)
    if _is_one(ids):
        return found[0]
    return found
