"""Choose without real labels: validators, the decision, estimates and aggregates."""

from . import aggregate, estimates, validators

__all__ = ["aggregate", "estimates", "validators"]
