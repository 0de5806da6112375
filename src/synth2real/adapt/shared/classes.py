"""What methods for classes say to other tasks."""

from __future__ import annotations

from ...errors import InputError
from ...tasks import Classification, Task


def needs_classes(method: object, task: Task, why: str) -> None:
    """Raise `InputError` where the task has no classes; `why` completes "it ..."."""
    if not isinstance(task, Classification):
        raise InputError(
            f"adapt: {type(method).__name__} needs classes, since it {why}; found the task {task.kind}. "
            "Take a method that serves every task, such as deepcoral, dann or teacher"
        )
