"""What users meet: a wrong input, a training run that diverged, and a refiner that learnt nothing of use."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message names the file or argument, what was found, what was expected and the mend. The command line prints it
    and exits with 2.
    """


class TrainingDiverged(RuntimeError):
    """A loss term or a gradient stopped being finite.

    The step in which it happened was not taken, so the networks still hold the last good weights.

    Args:
        step: the step, counted from 1.
        term: the name of the term (or `gradient`).
        value: what it was.
    """

    def __init__(self, step: int, term: str, value: float) -> None:
        self.step, self.term, self.value = step, term, value
        super().__init__(
            f"training stopped at step {step}: the term '{term}' is {value}, expected a finite number. "
            "The step was not taken: the weights are those before it. Lower the learning rate "
            "(--set adapt.rate=..., in a refiner --set refine.rate=...) or look for broken inputs and labels."
        )


class RefinementWarning(UserWarning):
    """A refiner has been trained, but what was measured on the way says that it is of no use; with the mend."""
