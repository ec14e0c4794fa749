"""Fovea: a compiler for ONNX models.

    import fovea
    s = fovea.Session("model.onnx", dims={"seq": 128})
    y = s.run(None, {"x": x})

docs/python.md explains the package.
"""
from .adapters import Adapter
from .command import inspect
from .bindings import IOBinding, OrtDevice, OrtValue
from .compat import (ExecutionMode, ExecutionOrder, GraphOptimizationLevel, InferenceSession, LoraAdapter, RunOptions,
                     SessionOptions, disable_telemetry_events, enable_telemetry_events, get_all_providers,
                     get_available_providers, get_build_info, get_device, get_version_string, has_collective_ops,
                     set_default_logger_severity, set_default_logger_verbosity)
from .compiler import compile
from .errors import FoveaError
from .experiments import AttentionMaps, attention_maps, diff
from .generation import Decoder, Generation, generate, generate_stream
from .library import VERSION as version
from .metadata import ModelMeta as ModelMetadata
from .quantization import quantize
from .seeds import set_seed
from .session import Session
from .values import Value as NodeArg

SessionIOBinding = IOBinding

__version__ = version

__all__ = ["Adapter", "AttentionMaps", "Decoder", "ExecutionMode", "ExecutionOrder", "FoveaError", "Generation",
           "GraphOptimizationLevel", "IOBinding", "InferenceSession", "LoraAdapter", "ModelMetadata", "NodeArg", "OrtDevice",
           "OrtValue", "RunOptions", "Session", "SessionIOBinding", "SessionOptions", "attention_maps", "compile", "diff",
           "disable_telemetry_events", "enable_telemetry_events", "generate", "generate_stream", "get_all_providers",
           "get_available_providers", "get_build_info", "get_device", "get_version_string", "has_collective_ops", "inspect",
           "quantize", "set_default_logger_severity", "set_default_logger_verbosity", "set_seed", "version"]
