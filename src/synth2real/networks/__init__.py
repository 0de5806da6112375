"""Networks and their layers: feature extractors, critics, refiners and maps of features."""

from .backbones import build_network, load_weights
from .feature_maps import FeatureMap
from .layers import NETWORKS, mlp, reverse_gradient

__all__ = ["NETWORKS", "FeatureMap", "build_network", "load_weights", "mlp", "reverse_gradient"]
