"""Fovea: a compiler for ONNX models.

    import fovea
    s = fovea.Session("model.onnx", dims={"seq": 128})
    y = s.run(None, {"x": x})

docs/python.md explains the package.
"""
from .adapters import Adapter
from .command import inspect
from .compat import (GraphOptimizationLevel, InferenceSession, LoraAdapter, RunOptions, SessionOptions,
                     get_available_providers)
from .compiler import compile
from .errors import FoveaError
from .experiments import AttentionMaps, attention_maps, diff
from .generation import Decoder, Generation, generate, generate_stream
from .library import VERSION as version
from .quantization import quantize
from .session import Session

__version__ = version

__all__ = ["Adapter", "AttentionMaps", "Decoder", "FoveaError", "Generation", "GraphOptimizationLevel",
           "InferenceSession", "LoraAdapter", "RunOptions", "Session", "SessionOptions", "attention_maps", "compile",
           "diff", "generate", "generate_stream", "get_available_providers", "inspect", "quantize", "version"]
