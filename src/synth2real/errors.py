"""Errors and warnings that users see: wrong input, files left out, a full disk, a training of no use."""

from collections.abc import Mapping

LONGEST = 1600  # characters of a message


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message names the file or argument, what was found, what was expected and how to mend it. The command line
    prints it and exits with 2. The middle of a long message is left out: files may contain values of any length.
    """

    def __init__(self, message: str) -> None:
        cut = len(message) - LONGEST
        half = LONGEST // 2
        super().__init__(f"{message[:half]} ... {cut} characters ... {message[-half:]}" if cut > 0 else message)


class LeftOutWarning(UserWarning):
    """Files of a folder were not read. The message says which.

    Args:
        message: for the user.
        counts: number of files by suffix (`.heic`), or by what else they have in common (`unreadable`).
    """

    def __init__(self, message: str, counts: Mapping[str, int]) -> None:
        super().__init__(message)
        self.counts = dict(counts)


class WriteError(OSError):
    """A file or folder cannot be written: the disk is full, the folder is read-only or has vanished.

    The message names the file, the reason and how to mend it. What was there before is as it was.

    Args:
        message: the message.
        errno: of the error of the operating system.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class TrainingDiverged(RuntimeError):
    """A loss term, a gradient or the trained model's output is not finite.

    Args:
        step: the step, counted from 1.
        term: the name of the term (or `gradient`, `output`).
        value: its value.
        taken: whether the step was taken. If it was not, the networks still hold the weights before it.
    """

    def __init__(self, step: int, term: str, value: float, taken: bool = False) -> None:
        self.step, self.term, self.value, self.taken = step, term, value, taken
        kept = "The weights are of no use" if taken else "The step was not taken, so the weights are those before it"
        super().__init__(
            f"training stopped at step {step}: the term '{term}' is {value}, expected a finite number. "
            f"{kept}. Lower the learning rate "
            "(--set adapt.rate=..., in a refiner --set refine.rate=...) or look for broken inputs and labels."
        )


class ProcessError(RuntimeError):
    """A process of a training on several processes is lost, or has other networks than the rest."""


class RefinementWarning(UserWarning):
    """A refiner has been trained, but measurements during training show that it is of no use. The message says why."""
