"""The names of ONNX Runtime, for scripts of which only the import changes: import fovea as ort."""
import enum
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .adapters import Adapter
from .errors import bad_argument, log
from .session import Feeds, Session


class GraphOptimizationLevel(enum.IntEnum):
    """How much is optimized; as levels of Fovea: 0, 1, 2, 2."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """No difference here: kernels run one after another, each on all threads."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class LoraAdapter:
    """The values in a file, for the inputs that have their names."""

    def __init__(self) -> None:
        self._values: Mapping[str, Any] = {}

    def Load(self, path: str) -> None:  # noqa: N802
        """Reads the file."""
        self._values = Adapter(path)


class RunOptions:
    """Adapters are used in a run; attributes can be set, and have no effect."""

    def __init__(self) -> None:
        self._adapters: List[LoraAdapter] = []

    def add_active_adapter(self, adapter: LoraAdapter) -> None:
        """Has runs with these options take the values of the adapter."""
        if not isinstance(adapter, LoraAdapter):
            raise bad_argument("an adapter is of type %s, expected LoraAdapter" % type(adapter).__name__)
        self._adapters.append(adapter)


class SessionOptions:
    """Of its attributes intra_op_num_threads and graph_optimization_level have an effect; others can
    be set, and a session logs which have none."""

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self._dims: Dict[str, int] = {}
        self._entries: Dict[str, str] = {}

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """Fixes a symbolic dim."""
        self._dims[name] = value

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Has no effect."""
        self._entries[key] = value

    def register_custom_ops_library(self, path: str) -> None:
        """Fovea cannot load operators of other libraries."""
        raise bad_argument("operators of the library '%s' cannot be loaded" % path)


class ModelMeta:
    """What get_modelmeta returns."""

    def __init__(self, graph_name: str) -> None:
        self.graph_name = graph_name
        self.custom_metadata_map: Dict[str, str] = {}


class InferenceSession(Session):
    """A Session with the arguments of ONNX Runtime's. What has no meaning here is logged and ignored:
    providers, since everything runs on the CPU, and most options."""

    def __init__(self, path_or_bytes: Any, sess_options: Optional[SessionOptions] = None,
                 providers: Optional[Sequence[Any]] = None, provider_options: Optional[Sequence[Any]] = None,
                 **more: Any) -> None:
        for ignored in [p for p in providers or [] if p != "CPUExecutionProvider"]:
            log.info("provider %r is not used: Fovea runs on the CPU", ignored)
        if provider_options:
            log.info("options of providers have no effect")
        if sess_options is not None:
            more = {**_arguments(sess_options), **more}
        super().__init__(path_or_bytes, **more)

    def run(self, output_names: Optional[Sequence[str]], input_feed: Feeds, run_options: Any = None) -> List[Any]:
        """Runs the model once, with the adapters of the options."""
        adapters = getattr(run_options, "_adapters", None)
        return super().run(output_names, _with_adapters(input_feed, adapters) if adapters else input_feed)

    def get_providers(self) -> List[str]:
        """The CPU alone."""
        return get_available_providers()

    def get_modelmeta(self) -> ModelMeta:
        """The model's name; its metadata are not read."""
        return ModelMeta(self.name)


def _with_adapters(feed: Feeds, adapters: List[LoraAdapter]) -> Feeds:
    """The values of inputs and of adapters, which must not have the same names."""
    found: Dict[str, Any] = dict(feed)
    for adapter in adapters:
        for name, value in adapter._values.items():
            if name in found:
                raise bad_argument("input '%s' has a value already; an adapter has another one" % name)
            found[name] = value
    return found


_EFFECTIVE = {"intra_op_num_threads", "graph_optimization_level", "_dims", "_entries"}


def _arguments(o: SessionOptions) -> Dict[str, Any]:
    """The arguments of Session that these options stand for."""
    for name in sorted(set(vars(o)) - _EFFECTIVE) + sorted(o._entries):
        log.info("option '%s' has no effect", name)
    found: Dict[str, Any] = {"threads": o.intra_op_num_threads, "level": min(int(o.graph_optimization_level), 2)}
    if o._dims:
        found["dims"] = dict(o._dims)
    return found


def get_available_providers() -> List[str]:
    """The CPU alone."""
    return ["CPUExecutionProvider"]
