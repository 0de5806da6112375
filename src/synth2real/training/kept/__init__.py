"""Kept features: a frozen feature extractor sees each image, and each randomized view of it, once."""

from .store import FeatureStore, shared_store
from .views import Views

__all__ = ["FeatureStore", "Views", "shared_store"]
