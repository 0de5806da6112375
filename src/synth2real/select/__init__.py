"""Selection without real labels: validators, the decision to adapt, estimates and aggregates."""

from . import aggregate, estimates, validators

__all__ = ["aggregate", "estimates", "validators"]
