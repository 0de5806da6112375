"""What leaves the house: models as files that run without synth2real, and models in the manner of other libraries."""

from .export import Exported, export_model
from .onnx_model import OnnxModel, load_onnx

__all__ = ["Exported", "OnnxModel", "export_model", "load_onnx"]
