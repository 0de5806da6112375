"""The engine without workers: each part in this process, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .base import Engine, Part, Result


class Here(Engine):
    """Applies the function in this process. Nothing is pickled, and errors keep their traceback."""

    def __init__(self) -> None:
        import torch  # here, because every worker process imports this room before it reads its function

        super().__init__(1, 0, torch.get_num_threads())

    def completed(
        self, function: Callable[[Part], Result], parts: Iterable[Part], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """See `Engine.completed`."""
        return ((number, function(part)) for number, part in enumerate(parts))
