"""A few real labels correct a trained model: an offset, an affine map or the last layer, by cross-validation."""

from .checks import check_few_labels
from .result import Correction, Point, correct
from .tuning import check_enough, fine_tune, fine_tuned

__all__ = ["Correction", "Point", "check_enough", "check_few_labels", "correct", "fine_tune", "fine_tuned"]
