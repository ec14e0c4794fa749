"""The names of ONNX Runtime, for scripts of which only the import changes: import fovea as ort. What is
accepted and has no effect is a warning; docs/python.md has the table."""
import enum
import logging
import threading
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from . import library, metadata
from .adapters import Adapter
from .bindings import IOBinding, OrtValue
from .errors import bad_argument, log
from .session import Feeds, Session
from .stopping import Terminator


class GraphOptimizationLevel(enum.IntEnum):
    """How much is optimized; as levels of Fovea: 0, 1, 2, 2."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """No difference here: kernels run one after another, each on all threads."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(enum.IntEnum):
    """No difference here: the compiler decides the order of kernels."""

    DEFAULT = 0
    PRIORITY_BASED = 1
    MEMORY_EFFICIENT = 2


class LoraAdapter:
    """The values in a file, for the inputs that have their names."""

    def __init__(self) -> None:
        self._values: Mapping[str, Any] = {}

    def Load(self, path: str) -> None:  # noqa: N802
        """Reads the file."""
        self._values = Adapter(path)


def _ignored(what: str) -> None:
    log.warning("%s has no effect", what)


class RunOptions:
    """Adapters are used in a run, `terminate` stops it, and `seed` repeats the random numbers that the
    model draws. Other attributes can be set; a run warns of those that differ from their defaults,
    since they have no effect."""

    def __init__(self) -> None:
        self._adapters: List[LoraAdapter] = []
        self._terminator = Terminator()
        self._entries: Dict[str, str] = {}
        self.logid, self.log_severity_level, self.log_verbosity_level = "", -1, 0
        self.only_execute_path_to_fetches = self.training_mode = False
        self.seed: Optional[int] = None

    @property
    def terminate(self) -> bool:
        """True: runs with these options end with FoveaError, those in progress soon, and new ones at once."""
        return self._terminator.on

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._terminator.on = value

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Has no effect."""
        self._entries[key] = value

    def get_run_config_entry(self, key: str) -> str:
        """An entry that was added."""
        return _entry(self._entries, key)

    def _warn(self) -> None:
        _warn_of(self, RunOptions(), ("_adapters", "_terminator", "seed"), "of a run")

    def add_active_adapter(self, adapter: LoraAdapter) -> None:
        """Has runs with these options take the values of the adapter."""
        if not isinstance(adapter, LoraAdapter):
            raise bad_argument("an adapter is of type %s, expected LoraAdapter" % type(adapter).__name__)
        self._adapters.append(adapter)


class SessionOptions:
    """Of its attributes intra_op_num_threads and graph_optimization_level have an effect. Others can be
    set; a session warns of those that differ from their defaults."""

    def __init__(self) -> None:
        self.intra_op_num_threads = self.inter_op_num_threads = 0
        self.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.execution_mode, self.execution_order = ExecutionMode.ORT_SEQUENTIAL, ExecutionOrder.DEFAULT
        self.enable_cpu_mem_arena = self.enable_mem_pattern = self.enable_mem_reuse = True
        self.enable_profiling = self.use_deterministic_compute = False
        self.profile_file_prefix, self.optimized_model_filepath, self.logid = "onnxruntime_profile_", "", ""
        self.log_severity_level, self.log_verbosity_level = -1, 0
        self._dims: Dict[str, int] = {}
        self._entries: Dict[str, str] = {}

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """Fixes a symbolic dim."""
        self._dims[name] = value

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Has no effect."""
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        """An entry that was added."""
        return _entry(self._entries, key)

    def has_providers(self) -> bool:
        """Providers are an argument of the session."""
        return False

    def register_custom_ops_library(self, path: str) -> None:
        """Fovea cannot load operators of other libraries."""
        raise bad_argument("operators of the library '%s' cannot be loaded" % path)


class InferenceSession(Session):
    """A Session with the arguments of ONNX Runtime's. What has no effect here is a warning: other
    providers than the CPU's, and most options."""

    def __init__(self, path_or_bytes: Any, sess_options: Optional[SessionOptions] = None,
                 providers: Optional[Sequence[Any]] = None, provider_options: Optional[Sequence[Any]] = None,
                 **more: Any) -> None:
        _warn_of_providers(providers)
        if any(provider_options or []):
            _ignored("provider_options")
        for name in ("disabled_optimizers", "enable_fallback"):
            if more.pop(name, None):
                _ignored(name)
        if sess_options is not None:
            more = {**_arguments(sess_options), **more}
        super().__init__(path_or_bytes, **more)
        self._sess_options = SessionOptions() if sess_options is None else sess_options
        self._profiles = self._sess_options.enable_profiling
        self._metadata = metadata.read(self._source.path, self._source.content, self.name)

    def run(self, output_names: Optional[Sequence[str]], input_feed: Feeds, run_options: Any = None, *,
            seed: Optional[int] = None) -> List[Any]:
        """Runs the model once, with the adapters of the options, until their `terminate` is set."""
        if isinstance(run_options, RunOptions):
            run_options._warn()
        adapters = getattr(run_options, "_adapters", None)
        return super().run(output_names, _with_adapters(input_feed, adapters) if adapters else input_feed, run_options,
                           seed=seed)

    def get_providers(self) -> List[str]:
        """The CPU alone."""
        return get_available_providers()

    def get_modelmeta(self) -> metadata.ModelMeta:
        """The metadata of the model's file."""
        return self._metadata

    def get_overridable_initializers(self) -> List[Any]:
        """None: what the graph has as a value is compiled into the model."""
        return []

    def get_session_options(self) -> SessionOptions:
        """The options that the session was made with."""
        return self._sess_options

    def get_provider_options(self) -> Dict[str, Dict[str, str]]:
        """The CPU has none."""
        return {name: {} for name in self.get_providers()}

    def set_providers(self, providers: Optional[Sequence[Any]] = None, provider_options: Any = None) -> None:
        """Has no effect: everything runs on the CPU."""
        _warn_of_providers(providers)

    def enable_fallback(self) -> None:
        """There is one provider."""

    def disable_fallback(self) -> None:
        """There is one provider."""

    def end_profiling(self) -> str:
        """The name of the profile, of which there is none."""
        if self._profiles:
            log.warning("no profile was written: `fovea run --profile` measures kernels")
        return ""

    def io_binding(self) -> IOBinding:
        """Inputs and outputs that are bound before a run."""
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: Any = None) -> None:
        """Runs the model with these inputs and outputs."""
        iobinding.run(run_options)

    def run_with_ort_values(self, output_names: Optional[Sequence[str]], input_dict_ort_values: Mapping[str, OrtValue],
                            run_options: Any = None) -> List[OrtValue]:
        """run(), with values as ONNX Runtime has them."""
        feed = {name: value.numpy() for name, value in input_dict_ort_values.items()}
        return [OrtValue(y) for y in self.run(output_names, feed, run_options)]

    def run_async(self, output_names: Optional[Sequence[str]], input_feed: Feeds,
                  callback: Callable[[Any, Any, str], Any], user_data: Any, run_options: Any = None) -> None:
        """run() in another thread, which then calls callback(results, user_data, error)."""
        def work() -> None:
            found, error = [], ""  # type: Any, str
            try:
                found = self.run(output_names, input_feed, run_options)
            except Exception as e:
                error = str(e) or type(e).__name__
            callback(found, user_data, error)

        threading.Thread(target=work, name="fovea.run_async").start()


def _with_adapters(feed: Feeds, adapters: List[LoraAdapter]) -> Feeds:
    """The values of inputs and of adapters, which must not have the same names."""
    found: Dict[str, Any] = dict(feed)
    for adapter in adapters:
        for name, value in adapter._values.items():
            if name in found:
                raise bad_argument("input '%s' has a value already; an adapter has another one" % name)
            found[name] = value
    return found


_EFFECTIVE = ("intra_op_num_threads", "graph_optimization_level", "_dims")


def _entry(entries: Mapping[str, str], key: str) -> str:
    if key not in entries:
        raise bad_argument("there is no entry %r" % (key,))
    return entries[key]


def _warn_of(o: Any, default: Any, effective: Sequence[str], of: str) -> None:
    """Warns of attributes that have no effect, unless they have their default value."""
    for name, value in sorted(vars(o).items()):
        if name not in effective and name != "_entries" and (
                not hasattr(default, name) or value != getattr(default, name)):
            _ignored("option '%s' %s" % (name, of))
    for name in sorted(o._entries):
        _ignored("entry '%s' %s" % (name, of))


def _warn_of_providers(providers: Optional[Sequence[Any]]) -> None:
    for p in providers or []:
        name, given = p if isinstance(p, tuple) else (p, None)
        if name != "CPUExecutionProvider":
            log.warning("provider %r is not used: Fovea runs on the CPU", name)
        elif given:
            _ignored("options of provider %r: what they say" % name)


def _arguments(o: SessionOptions) -> Dict[str, Any]:
    """The arguments of Session that these options stand for."""
    _warn_of(o, SessionOptions(), _EFFECTIVE, "of a session")
    found: Dict[str, Any] = {"threads": o.intra_op_num_threads, "level": min(int(o.graph_optimization_level), 2)}
    if o._dims:
        found["dims"] = dict(o._dims)
    return found


def get_available_providers() -> List[str]:
    """The CPU alone."""
    return ["CPUExecutionProvider"]


def get_all_providers() -> List[str]:
    """The CPU alone."""
    return get_available_providers()


def get_device() -> str:
    """Where models run."""
    return "CPU"


def get_version_string() -> str:
    """The version of Fovea."""
    return library.VERSION


def get_build_info() -> str:
    """The version of Fovea."""
    return "Fovea " + library.VERSION


def has_collective_ops() -> bool:
    """Do sessions run models that exchange data with other ranks? Those of C do (docs/distributed.md)."""
    return False


_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


def set_default_logger_severity(severity: int) -> None:
    """Sets the level of the logger `fovea`: 0 is DEBUG, 4 is CRITICAL."""
    if not isinstance(severity, int) or not 0 <= severity < len(_LEVELS):
        raise bad_argument("severity is %r, expected 0 to 4" % (severity,))
    log.setLevel(_LEVELS[severity])


def set_default_logger_verbosity(verbosity: int) -> None:
    """Has no effect."""
    _ignored("set_default_logger_verbosity")


def disable_telemetry_events() -> None:
    """There is no telemetry."""


def enable_telemetry_events() -> None:
    """There is no telemetry."""
    _ignored("enable_telemetry_events")
