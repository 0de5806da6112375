"""Tasks: classes, numbers, points, gaze and masks, each with its loss, metrics and label geometry."""

from .base import Task
from .classification import Classification
from .eyeball_model import EyeballModel
from .gaze import Gaze
from .keypoints import Keypoints
from .regression import Regression
from .segmentation import Segmentation

TASKS: dict[str, type[Task]] = {task.kind: task for task in (Classification, Regression, Keypoints, Gaze, Segmentation)}

__all__ = ["TASKS", "Classification", "EyeballModel", "Gaze", "Keypoints", "Regression", "Segmentation", "Task"]
