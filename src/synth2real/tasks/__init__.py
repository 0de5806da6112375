"""Tasks: classes, numbers, points, gaze and masks, each with its loss, metrics and label geometry."""

from .base import Task
from .classification import Classification
from .detection import Detection
from .eyeball_model import EyeballModel
from .gaze import Gaze
from .keypoints import Keypoints
from .regression import Regression
from .segmentation import Segmentation

TASKS: dict[str, type[Task]] = {
    task.kind: task for task in (Classification, Regression, Keypoints, Gaze, Segmentation, Detection)
}

__all__ = [
    "TASKS",
    "Classification",
    "Detection",
    "EyeballModel",
    "Gaze",
    "Keypoints",
    "Regression",
    "Segmentation",
    "Task",
]
