"""Networks and their layers: feature extractors, critics, refiners and feature maps."""

from .backbones import build_network, load_weights
from .feature_maps import FeatureMap
from .layers import (
    NETWORKS,
    Convolutional,
    DANNGtsrb,
    DANNMnist,
    DANNSvhn,
    Linear,
    Perceptron,
    Shallow,
    mlp,
    reverse_gradient,
)

__all__ = [
    "NETWORKS",
    "Convolutional",
    "DANNGtsrb",
    "DANNMnist",
    "DANNSvhn",
    "FeatureMap",
    "Linear",
    "Perceptron",
    "Shallow",
    "build_network",
    "load_weights",
    "mlp",
    "reverse_gradient",
]
