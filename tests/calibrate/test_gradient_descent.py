"""Descent: the gradients of declared parameters are correct, and gradient descent finds the hidden settings."""

import pytest
import torch

from synth2real.calibrate import Search
from synth2real.calibrate.gradient_descent import _drawn
from synth2real.calibrate.ranges import Space
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.simulate import Digits, Eyes

MADE = {
    "digits": Digits(size=(12, 12)),
    "eyes": Eyes(preset="infrared", size=(24, 32)),
}


@pytest.mark.parametrize(("name", "parameter"), [(name, p) for name, made in MADE.items() for p in made.differentiable])
def test_gradients_are_the_limits_of_differences(name, parameter):
    made = MADE[name]
    values = {p.name: torch.full((4,), sum(made.range(p.name)) / 2) for p in made.parameters}
    weight = torch.rand(made.channels, *made.size, generator=torch.Generator().manual_seed(1)).double()

    def total(value):
        images = made.render(values | {parameter: value}, torch.Generator().manual_seed(0)).images
        return (images.double() * weight).sum()

    value = values[parameter].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(total(value), value)
    step = 0.01 * max(float(value.detach()[0]), 0.05)
    with torch.no_grad():
        slope = (total(value + step) - total(value - step)) / (2 * step)
    assert float(gradient.sum()) == pytest.approx(float(slope), rel=0.05, abs=0.02 * float(weight.sum()) / 100)
    assert float(gradient.abs().sum()) > 0


def test_a_hidden_blur_is_found_by_gradients():
    truth = Digits(size=(12, 12), ranges={"blur": (0.9, 1.1), "contrast": (1.2, 1.6)})
    target = Unlabelled(truth.sample(200, 7).images)
    search = Search(parameters=("blur", "contrast"), optimizer="gradient", trials=30, images=100)
    found = search.fit(Digits(size=(12, 12)), target)
    assert sum(found.ranges["blur"]) / 2 == pytest.approx(1.0, abs=0.1)
    assert sum(found.ranges["contrast"]) / 2 == pytest.approx(1.4, abs=0.25)
    assert found.after < 0.8 * found.before
    assert len(found.trials) == 30


def test_distributions_are_drawn_as_they_are_rendered_and_have_gradients():
    ranges = {"blur": {"mean": 1, "std": 0.4}, "contrast": {"quantiles": [1.2, 1.5, 2.4]}}
    simulator = Digits(size=(12, 12), ranges=ranges)
    space, unit = Space.of(simulator, ("blur", "contrast", "height")), torch.linspace(0.01, 0.99, 50)
    known = {parameter.name: parameter for parameter in simulator.parameters}
    for k, name in enumerate(space.names):
        centre, width = (torch.tensor(x, requires_grad=True) for x in (0.1, 0.8))
        values = _drawn(space, k, known[name], unit, centre, width)
        expected = known[name].at(unit, space.sampling(k, 0.1, 0.8))
        torch.testing.assert_close(values.detach(), expected, atol=1e-4, rtol=0)
        values.square().sum().backward()
        assert centre.grad != 0
        assert width.grad != 0


def test_what_is_not_differentiable_is_refused():
    target = Unlabelled(torch.zeros(30, 1, 12, 12, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"Digits is not differentiable in 'height', expected calibrate\.parameters"):
        Search(parameters=("height",), optimizer="gradient").fit(MADE["digits"], target)
