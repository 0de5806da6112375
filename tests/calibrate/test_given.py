"""Given columns of the target fix the parameters of their names."""

import pytest
import torch

from synth2real.calibrate.given import with_given
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.simulate import Drawn, Empirical, Eyes, Parameter, declared


def target(*columns: tuple[str, torch.Tensor]) -> Unlabelled:
    names, values = zip(*columns, strict=True)
    images = torch.zeros(len(values[0]), 1, 36, 60, dtype=torch.uint8)
    return Unlabelled(images, given=torch.stack(values, 1).float(), given_columns=names)


def test_a_column_has_the_unit_and_the_zero_of_the_label() -> None:
    """The label is in radians, and has the tilt of the face, 10 degrees on average, added."""
    made = with_given(Eyes(), target(("head_pitch", torch.linspace(0, 30, 101).deg2rad())))
    sampled = made.sampling("head_pitch")
    assert isinstance(sampled, Empirical)
    known = next(one for one in made.parameters if one.name == "head_pitch")
    assert known.at(torch.tensor([0.001, 0.5, 0.999]), sampled) == pytest.approx(torch.tensor([-10, 5, 20]), abs=0.5)
    labels = made.sample(200, 0).labels["head"][:, 0].rad2deg()
    assert float(labels.mean()) == pytest.approx(15, abs=1)


def test_a_target_without_given_columns_leaves_the_simulator_as_it_is() -> None:
    simulator = Eyes()
    assert with_given(simulator, Unlabelled(torch.zeros(3, 1, 36, 60, dtype=torch.uint8))) is simulator


@declared(
    Parameter("level", "intensity", "of all pixels", (0, 1), (0.3, 0.5)),
    Parameter("other", "intensity", "added to the label", (-9, 9), (-9, 9)),
    columns={"level": ("level",)},
)
def blurred(values, frame, generator):
    """Images whose label says little of the parameter of its name."""
    images = values["level"][:, None, None, None].expand(-1, 1, *frame.size)
    return Drawn(images, {"level": (values["level"] + values["other"])[:, None]})


def test_a_label_that_depends_on_other_parameters_is_refused() -> None:
    message = "the label column 'level' of the simulator .* does not follow from its parameter 'level'"
    with pytest.raises(InputError, match=message):
        with_given(blurred(size=(36, 60)), target(("level", torch.linspace(0.3, 0.5, 9))))
