"""What is predicted: classes, values, keypoints or gaze, each with its loss, its metrics and its geometry."""

from .base import TASKS, Classification, Gaze, Keypoints, Regression, Task
from .eyeball_model import EyeballModel

__all__ = ["TASKS", "Classification", "EyeballModel", "Gaze", "Keypoints", "Regression", "Task"]
