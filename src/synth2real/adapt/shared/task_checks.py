"""The error of methods for classes when the task is another one."""

from __future__ import annotations

from ...errors import InputError
from ...tasks import Classification, Segmentation, Task


def needs_classes(method: object, task: Task, why: str, of_pixels: bool = False) -> None:
    """Raise `InputError` if the task has no classes. `why` is the rest of the sentence "it ...".

    Args:
        of_pixels: whether classes of pixels will do.
    """
    if not (isinstance(task, Classification) or (of_pixels and isinstance(task, Segmentation))):
        raise InputError(
            f"adapt: {type(method).__name__} needs classes, since it {why}; found the task {task.kind}. "
            "Choose a method that serves every task, such as deepcoral, dann or teacher"
        )
