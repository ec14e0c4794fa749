"""Sessions: models that are compiled or loaded, and run."""
import copy
import ctypes
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import calls, library, notebook, options, seeds, source, states, stopping, values
from .errors import FoveaError, bad_argument, report
from .handles import Guard, Handle, made
from .ports import read_ports

Feeds = Mapping[str, Any]
_How = Tuple[Any, int]  # what may stop a run, or None, and the seed of its random numbers


class Session:
    """A model that can run.

    model    path of an ONNX model, of a text in a language of Fovea, or of a compiled library (.so);
             or the content of an ONNX model: bytes, or an onnx.ModelProto
    folder   folder of the external data of a model in memory
    dims     {"seq": 128}: fixes a symbolic dim; {"seq": (1, 512)} bounds it; a dim without a name
             is "INPUT:AXIS"
    states   {"past": "present"}: output `present` is input `past` of the next run, and the session
             keeps it; {"past": ("present", 1024)} keeps it in one memory of that capacity
    threads  threads to run with; 0: as many as this process may use
    target, level, backend and other options: docs/python.md

    Any number of threads may run one session. Runs of a session with states are done one after
    another. close(), or the end of a `with` block, frees the model when runs in progress are done.
    A copy shares the model, and has states of its own. A pickle is the model as it was given, the
    arguments and the states; loading it compiles the model again.
    """

    def __init__(self, model: Any, *, folder: source.Folder = None, dims: Optional[options.Dims] = None,
                 states: Optional[options.States] = None, threads: int = 0,
                 target: Optional[str] = None, level: Union[int, str, None] = None, backend: Optional[str] = None,
                 **more: Any) -> None:
        self._model: Optional[Handle] = None  # None: it is closed
        self._begin()
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 0:
            raise bad_argument("threads is %r, expected a number, 0 or more" % (threads,))
        given: Dict[str, Any] = {"dims": dims, "states": states, "target": target, "level": level,
                                 "backend": backend, **more}
        self._source = source.of(model, folder)  # whose content must live as long as the model
        self._given = {"folder": self._source.folder, "threads": threads, **given}
        if self._source.is_library():
            self._load({k: v for k, v in given.items() if v is not None})
        else:
            self._compile(options.make(**given))
        self._threads = threads
        self._read_table()
        self._members = frozenset(vars(self))  # the others are of subclasses and users

    def _begin(self) -> None:
        """Sets what a copy does not share."""
        self._state_lock = Guard("the process was forked while a run of the session changed its states: copy the "
                                 "session, and run the copy, or fork between runs")
        self._runs: List[stopping.Run] = []  # that are not in progress
        self._calls: List[calls.Call] = []  # that no run uses at present

    def _load(self, given: Dict[str, Any]) -> None:
        m = self._source
        if m.content is not None:
            raise bad_argument("the bytes are a compiled library, which can only be loaded from a file")
        if given:
            raise bad_argument("%s is a compiled library, '%s' was decided when it was compiled"
                               % (os.fsdecode(m.path), sorted(given)[0]))
        self._library = library.runtime()
        self._make(self._library.fv_load, m.path)

    def _compile(self, o: library.CompileOptions) -> None:
        m = self._source
        self._library = library.compiler()
        if m.content is None:
            self._make(self._library.fv_compile, m.path, ctypes.byref(o))
        else:
            self._make(self._library.fv_compile_bytes, m.content, len(m.content), m.path, m.folder, ctypes.byref(o))

    def _make(self, function: Any, *arguments: Any) -> None:
        artifact = ctypes.c_void_p()
        log = library.Log(self._library)
        status = function(*arguments, log.handle, ctypes.byref(artifact))
        self._model = made(status, artifact, self._library.fv_artifact_free)
        report(status, log.take())

    def _read_table(self) -> None:
        table = self._library.fv_artifact_model(self._open().pointer).contents
        self._in_ports = read_ports(table.ninputs, table.inputs)
        self._out_ports = read_ports(table.noutputs, table.outputs)
        self._bounds = {table.symbols[i].name.decode("utf-8", "surrogateescape"):
                        (table.symbols[i].lo, table.symbols[i].hi) for i in range(table.nsymbols)}
        self.name: str = table.name.decode("utf-8", "surrogateescape")
        self.target: str = table.target.decode()
        self._make_states()
        state_outputs = {s.out.index for s in self._states.values()}
        self._inputs = values.of_ports(self._in_ports)
        self._free_inputs = [v for v in self._inputs if v.name not in self._states]
        self._outputs = values.of_ports(self._out_ports)
        self._free_outputs = [v for v in self._outputs if v.ports[0].index not in state_outputs]
        self._place = {v.name: i for i, v in enumerate(self._outputs)}
        self._input_arrays = library.Array * len(self._in_ports)
        self._output_arrays = library.Array * len(self._out_ports)
        self._is_plain = calls.is_plain(self._in_ports + self._out_ports) and all(
            type(v) is values.Value for v in self._inputs + self._outputs)
        self._input_names = [v.name for v in self._inputs]

    # ---- what the model has ----

    def get_inputs(self) -> List[values.Value]:
        """The inputs that a run needs; states, which the session keeps, are not among them."""
        return list(self._free_inputs)

    def get_outputs(self) -> List[values.Value]:
        """The outputs that a run returns; states are not among them."""
        return list(self._free_outputs)

    def __repr__(self) -> str:
        return "<fovea.Session %s: %s -> %s>" % (self.name, ", ".join(v.name for v in self._free_inputs),
                                                 ", ".join(v.name for v in self._free_outputs))

    def _repr_html_(self) -> str:
        return notebook.of_session(self.name, self.target, self._free_inputs, self._free_outputs,
                                   [v for v in self._inputs if v.name in self._states])

    # ---- running ----

    def run(self, output_names: Optional[Sequence[str]], input_feed: Feeds, run_options: Any = None, *,
            seed: Optional[int] = None) -> List[Any]:
        """Runs the model once.

        output_names  which outputs are returned, in this order; None: all of get_outputs()
        input_feed    a value for each input, by name. Arrays that are C-contiguous and of the
                      input's dtype are read where they are; others that can be are copied
        run_options   a RunOptions, whose `terminate` another thread may set to stop the run
        seed          of random numbers that operators without a seed of their own draw; without it, or
                      run_options.seed, each run draws others, and set_seed decides which

        A signal whose handler raises an exception, as Ctrl-C does, ends a run of the main thread with
        that exception.
        """
        how = (getattr(run_options, "_terminator", None),
               seeds.of_run(getattr(run_options, "seed", None) if seed is None else seed))
        names = None if output_names is None else self._wanted(output_names)
        if type(input_feed) is not dict and not isinstance(input_feed, Mapping):
            raise bad_argument("the inputs are of type %s, expected a dict of names and arrays"
                               % type(input_feed).__name__)
        if self._is_plain:
            results = self._run_plain(input_feed, how)
            return results if names is None else [results[self._place[name]] for name in names]
        if names is None:
            names = [v.name for v in self._free_outputs]
        if not self._states:
            found = self._run(input_feed, how)
            return [found[name] for name in names]
        with self._state_lock:
            found = self._run(input_feed, how)
            return [found[name] if name in found else self._state_output(name) for name in names]

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """Runs the model with inputs in order or by name. Returns the output, or a list of several."""
        if len(positional) > len(self._free_inputs):
            raise bad_argument("%d inputs are given, the model has %d" % (len(positional), len(self._free_inputs)))
        feed = {v.name: x for v, x in zip(self._free_inputs, positional)}
        twice = [name for name in named if name in feed]
        if twice:
            raise bad_argument("input '%s' is given twice" % twice[0])
        found = self.run(None, {**feed, **named})
        return found[0] if len(found) == 1 else found

    def _wanted(self, output_names: Sequence[str]) -> List[str]:
        if isinstance(output_names, (str, bytes)) or not isinstance(output_names, Iterable):
            raise bad_argument("the names of outputs are %r, expected a list of names" % (output_names,))
        names = list(output_names)
        for name in names:
            if not isinstance(name, str) or name not in self._place:
                raise bad_argument("there is no output %r; the model has %s" % (
                    name, ", ".join("'%s'" % v.name for v in self._outputs)))
        return names

    def _run_plain(self, feed: Feeds, how: _How) -> List[Any]:
        """Values of all outputs of a model that calls.Call can bind."""
        try:
            given = [feed[name] for name in self._input_names]
        except KeyError:
            raise self._missing(feed) from None
        if len(feed) != len(given):
            raise self._unknown(feed)
        try:
            call = self._calls.pop()
        except IndexError:
            call = calls.Call(self._input_arrays(), self._output_arrays(), self._in_ports, self._out_ports, self._library)
        try:
            arrays, results = call.bind(given)
            self._call(call.inputs, call.outputs, how)
            return call.finish(arrays, results)
        except BaseException:
            call.forget()
            raise
        finally:
            self._calls.append(call)

    def _run(self, feed: Feeds, how: _How) -> Dict[str, Any]:
        """Values of all outputs but the states."""
        keep: List[Any] = []
        inputs, outputs = self._input_arrays(), self._output_arrays()
        before, capacities = [(s, s.array, s.dims) for s in self._states.values()], self._capacities.saved()
        try:
            self._bind(feed, inputs, keep)
            self._call_with_room(inputs, outputs, keep, how)
        except BaseException as e:
            begun = [s for s, array, _ in before if array is None and s.array is not None]
            for s, array, dims in before:  # a run that fails neither begins states nor takes those that are fed
                s.array, s.dims = array, dims
            self._capacities.restore(capacities)
            if isinstance(e, FoveaError) and e.status == "FV_BAD_DIM":
                raise states.explained(e, begun) from None
            raise
        for s in self._states.values():
            s.take(outputs[s.out.index], self._library)
        return {v.name: v.of_parts([p.result(outputs[p.index], self._library) for p in v.ports])
                for v in self._free_outputs}

    def _call_with_room(self, inputs: Any, outputs: Any, keep: List[Any], how: _How) -> None:
        """Runs the model, again with more memory for states whose capacity may grow: a run that
        finds it too small has changed nothing."""
        last: List[str] = []
        while True:
            try:
                return self._call(inputs, outputs, how)
            except FoveaError as e:  # the same messages again: the capacity that they name has not grown
                if e.status != "FV_TOO_SMALL" or e.messages == last or not self._capacities.grow(self._bounds):
                    raise
                last = e.messages
            for s in self._states.values():
                s.fill(inputs[s.into.index], keep)

    def _bind(self, feed: Feeds, inputs: Any, keep: List[Any]) -> None:
        used = 0
        for v in self._free_inputs:
            if v.name not in feed:
                raise self._missing(feed)
            used += 1
            for port, array in zip(v.ports, v.to_parts(feed[v.name])):
                port.fill(inputs[port.index], array, keep)
        if self._states:
            used += self._bind_states(feed, inputs, keep)
        if used != len(feed):
            raise self._unknown(feed)

    def _bind_states(self, feed: Feeds, inputs: Any, keep: List[Any]) -> int:
        """Binds what the session keeps, or what is fed in its place; the number of the latter."""
        free = [p for v in self._free_inputs for p in v.ports]
        symbols = states.symbols_of(free, inputs, self._bounds)
        lowest = {name: lo for name, (lo, _) in self._bounds.items()}
        used = 0
        for name, s in self._states.items():
            if name in feed:
                s.set(s.into.convert(feed[name], name), symbols)
                used += 1
            elif s.array is None:
                s.begin(symbols, lowest)
            s.fill(inputs[s.into.index], keep)
        return used

    def _missing(self, feed: Feeds) -> Exception:
        missing = [v.name for v in self._free_inputs if v.name not in feed]
        unknown = ["'%s'" % name if isinstance(name, str) else repr(name) for name in feed if name not in self._input_names]
        return bad_argument("no value for input '%s'%s; the model has %s" % (
            missing[0], ", and there is no input " + unknown[0] if unknown else "", self._input_list()))

    def _unknown(self, feed: Feeds) -> Exception:
        unknown = [name for name in feed if name not in self._input_names]
        return bad_argument("there is no input %r; the model has %s" % (unknown[0], self._input_list()))

    def _input_list(self) -> str:
        return ", ".join("'%s' %s%s" % (v.name, v.type, v.shape) for v in self._inputs) or "no inputs"

    def _call(self, inputs: Any, outputs: Any, how: _How) -> None:
        terminator, seed = how
        model = self._open()
        try:
            run = self._runs.pop()
        except IndexError:
            run = stopping.Run(self._library, self._threads)
        run.env.seed = seed
        try:
            if terminator is not None:
                terminator.begin(run)
            status = self._library.fv_artifact_run(model.pointer, inputs, outputs, run.options, run.log.handle)
            if status:  # a run that succeeds has no messages
                run.raise_found()
                report(status, run.log.take())
        finally:
            del model  # the traceback of an error would keep it
            if terminator is not None:
                terminator.end(run)
        if not run.flag.value:  # another run has a flag of its own
            self._runs.append(run)

    def _open(self) -> Handle:
        """The model, which is not freed while the caller keeps this reference."""
        model = self._model
        if model is None:
            raise bad_argument("the session is closed")
        return model

    # ---- states ----

    def _make_states(self) -> None:
        self._capacities = states.Capacities()
        self._states = {s.into.name: s for s in states.of_ports(self._in_ports, self._out_ports, self._capacities)}

    def _memories(self) -> Tuple[Any, Dict[str, Any]]:
        """Capacities and memories of the states, as they are copied and pickled."""
        kept = {name: (s.array.copy(), s.dims) for name, s in self._states.items() if s.array is not None}
        return self._capacities.saved(), kept

    def _set_memories(self, memories: Tuple[Any, Dict[str, Any]]) -> None:
        """Takes what _memories() has returned; a state that the model does not have is an error."""
        capacities, kept = memories
        self._capacities.restore(capacities)
        for name, (array, dims) in kept.items():
            if name not in self._states:
                raise bad_argument("the model has no state '%s' any more" % name)
            self._states[name].array, self._states[name].dims = array, dims

    def _state_output(self, name: str) -> Any:
        for s in self._states.values():
            if s.out.name == name:
                return s.valid().copy().view(s.out.type.public_dtype())
        raise AssertionError(name)

    def get_states(self) -> Dict[str, Any]:
        """Copies of the states by the names of their inputs; those that no run has set are left out."""
        with self._state_lock:
            return {name: s.valid().copy().view(s.into.type.public_dtype())
                    for name, s in self._states.items() if s.array is not None}

    def reset_states(self) -> None:
        """Forgets the states: the next run begins anew, with zeros, or with what it is fed."""
        with self._state_lock:
            for s in self._states.values():
                s.array = None

    # ---- the end ----

    def close(self) -> None:
        """Frees the model, unless a run, a generation or a copy uses it: then it is freed when the last
        of them ends. Later runs raise FoveaError. Results of earlier runs stay."""
        self._model = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- copies ----

    def _others(self) -> Dict[str, Any]:
        """The members that a subclass or a user has added."""
        return {name: value for name, value in vars(self).items() if name not in self._members}

    def __copy__(self) -> "Session":
        self._open()
        new: Session = object.__new__(type(self))
        new.__dict__.update(vars(self))
        new._begin()
        with self._state_lock:
            new._make_states()
            new._set_memories(self._memories())
        return new

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Session":
        new = memo[id(self)] = copy.copy(self)
        new.__dict__.update(copy.deepcopy(self._others(), memo))
        return new

    def __reduce__(self) -> Tuple[Any, ...]:
        self._open()
        with self._state_lock:
            return _made_again, (type(self), self._source.given(), self._given), (self._memories(), self._others())

    def __setstate__(self, state: Tuple[Any, Dict[str, Any]]) -> None:
        memories, others = state
        self._set_memories(memories)
        self.__dict__.update(others)


def _made_again(kind: type, model: Any, given: Dict[str, Any]) -> Session:
    """The session of a pickle; kind is its class."""
    new: Session = object.__new__(kind)
    Session.__init__(new, model, **given)
    return new
