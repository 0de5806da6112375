"""What all objectives share: the final model is a moving average of the weights."""

import torch

from synth2real.adapt import ADDA, SHOT, AdaBN, SourceOnly, Untied
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.networks.tuning import Tuned
from synth2real.route.route import Budget, Route
from synth2real.tasks import Classification
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Progress, Trainer
from synth2real.training.model import Model

TARGET = Unlabelled(torch.rand(8, 1, 16, 16))


def prepared(method, **settings):
    torch.manual_seed(0)
    method.prepare(Model(Classification(("a", "b")), (1, 16, 16), norm=method.norm, **settings), TARGET)
    return method


def moved(method) -> None:
    """A step that adds 1 to all weights. The average takes 9 / 901 of it."""
    with torch.no_grad():
        for parameter in method.latest().parameters():
            parameter.add_(1.0)
    method.after_step(Progress(891, 10_000))


def test_the_average_of_the_network_that_is_shipped_is_shipped() -> None:
    for method in (SourceOnly(), ADDA(), Untied()):
        before = [p.clone() for p in prepared(method).latest().parameters()]
        moved(method)
        for was, now in zip(before, method.shipped().parameters(), strict=True):
            torch.testing.assert_close(now, was + 9 / 901, rtol=0, atol=1e-5)


def test_a_decay_of_zero_ships_the_last_weights() -> None:
    method = prepared(SourceOnly(decay=0))
    moved(method)
    assert method.shipped() is method.model
    assert set(method.networks) == {"model"}


def test_statistics_are_taken_on_a_copy_of_the_average() -> None:
    method = prepared(AdaBN())
    moved(method)
    shipped = method.shipped()
    assert torch.equal(shipped.head[1][0].weight, method.average.head[1][0].weight)
    assert shipped is not method.average


def test_what_is_not_trained_is_not_averaged() -> None:
    method = prepared(SourceOnly(), tune="frozen")
    assert isinstance(method.model.features[1], Tuned)
    assert method.average.backbone is method.model.backbone


def test_pretrained_weights_have_their_own_rate() -> None:
    for optimize in ("adam", "sgd"):
        method = prepared(SourceOnly(optimize=optimize, backbone_rate=0.2, rate=0.01), pretrained=True)
        source = Labelled(torch.rand(8, 1, 16, 16), torch.arange(8) % 2, ("a", "b"))
        trainer = Trainer(method, source, TARGET, Loop(steps=100, batch=4, hardware=Hardware()))
        trainer._take_step()
        groups = trainer.optimizers["model"].param_groups
        rates = {id(p): group["lr"] for group in groups for p in group["params"]}
        full = method.learning_rate(Progress(0, 100))
        assert {rates[id(p)] for p in method.model.backbone.parameters()} == {0.2 * full}
        assert {rates[id(p)] for p in method.model.head.parameters()} == {full}


def test_the_final_model_can_be_trained_further() -> None:
    source = Labelled(torch.randint(256, (40, 1, 16, 16), dtype=torch.uint8), torch.arange(40) % 2, ("a", "b"))
    model = Route(adapt=SourceOnly()).run(source, TARGET, budget=Budget(steps=2, batch=8)).model
    assert all(parameter.requires_grad for parameter in model.parameters())
    adapted = SHOT().fit(model, TARGET, steps=2, batch=8)
    assert not torch.equal(next(adapted.features.parameters()), next(model.features.parameters()))
