"""One contract for every method that adapts without a source, and what each of them does exactly."""

import pytest
import torch
from torch.nn import functional as F

from synth2real import Budget, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import MSDA, SHOT, SOURCE_FREE, SVM, TENT
from synth2real.adapt.source_free.shot import by_centroids
from synth2real.errors import InputError
from synth2real.measure.discrepancies import entropy
from synth2real.settings import build, to_dict
from synth2real.tasks import Classification, Regression
from synth2real.training.ensemble import Ensemble
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Progress
from synth2real.training.model import Model

SIDE = 16


def spots(count: int, seed: int, gain: float = 0.9, level: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 16, 16) of a bright spot left or right of the middle, and which, (N,) int64."""
    generator = torch.Generator().manual_seed(seed)
    side = torch.arange(count) % 2
    x = 4 + 7 * side[:, None] + torch.rand(count, 1, generator=generator)
    y = 4 + 7 * torch.rand(count, 1, generator=generator)
    grid = torch.arange(SIDE, dtype=torch.float32)
    squared = (grid - x)[:, None, :] ** 2 + (grid - y)[:, :, None] ** 2
    noise = 0.1 * torch.rand(count, SIDE, SIDE, generator=generator)
    return ((torch.exp(-squared / 4) * gain + level + noise).clamp(0, 1) * 255).to(torch.uint8)[:, None], side


@pytest.fixture(scope="module")
def trained() -> Model:
    images, side = spots(96, 0)
    source = Labelled(images, side, ("left", "right"))
    return Route().run(source, Unlabelled(images), budget=Budget(steps=40, batch=16)).model


@pytest.fixture(scope="module")
def target() -> Unlabelled:
    return Unlabelled(spots(80, 1, gain=0.4, level=0.2)[0])


methods = pytest.mark.parametrize("name", SOURCE_FREE)


def weights(model: Model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.state_dict().values()])


def loop(steps: int = 12) -> Loop:
    return Loop(steps, batch=16, hardware=Hardware(), report_every=1)


@methods
def test_settings_survive_a_round_trip(name: str) -> None:
    method = SOURCE_FREE[name](rate=0.003, passes=7)
    assert build(SOURCE_FREE, name, to_dict(method)) == method
    assert method.fresh() == method
    assert method.fresh() is not method
    with pytest.raises(InputError, match=r"has no setting 'network'"):  # the model has its network already
        build(SOURCE_FREE, name, {"network": "perceptron"}, stage="adapt")


@methods
def test_predictions_become_confident_and_the_given_model_does_not_change(name: str, trained, target) -> None:
    before = weights(trained).clone()
    adapted = SOURCE_FREE[name]().fit(trained, target, steps=30, batch=16, hardware=Hardware())
    assert torch.equal(weights(trained), before)
    assert not adapted.training
    assert entropy(adapted.predict(target).values).mean() < entropy(trained.predict(target).values).mean()


@methods
def test_gradients_reach_every_parameter_that_is_trained(name: str, trained, target) -> None:
    algorithm = SOURCE_FREE[name]().trainer(trained, target, loop())
    source, batch = algorithm.batches()
    assert len(source) == 0
    for update in algorithm.algorithm.updates(source, batch, Progress(0, 12)):
        learnt = [p for network in update.of for p in network.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(update.loss(), learnt, allow_unused=True)
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@methods
def test_the_same_seed_gives_the_same_bits(name: str, trained, target) -> None:
    first, second, other = (
        SOURCE_FREE[name]().fit(trained, target, steps=8, batch=16, seed=seed, hardware=Hardware())
        for seed in (3, 3, 4)
    )
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


@methods
def test_a_restored_training_goes_on_with_the_same_bits(name: str, trained, target) -> None:
    unbroken, broken, resumed = (SOURCE_FREE[name]().trainer(trained, target, loop()) for _ in range(3))
    unbroken.run()
    for _ in range(7):
        broken._take_step()
    resumed.restore(broken.state())
    resumed.run()
    found = resumed.state()
    for key, value in unbroken.state().items():
        assert torch.equal(value, found[key]), key


@methods
def test_saved_and_loaded_predictions_agree(name: str, trained, target, tmp_path) -> None:
    adapted = SOURCE_FREE[name]().fit(trained, target, steps=3, batch=16)
    adapted.save(tmp_path)
    assert torch.equal(adapted.predict(target).values, load_model(tmp_path).predict(target).values)


@methods
def test_what_cannot_be_served_is_refused(name: str, trained, target) -> None:
    method = SOURCE_FREE[name]()
    with pytest.raises(InputError, match=r"the target has 3 channels, the model takes 1\. Train with --channels"):
        method.fit(trained, Unlabelled(torch.rand(4, 3, SIDE, SIDE)))
    with pytest.raises(InputError, match=r"the target holds 1 sample, expected two or more"):
        method.fit(trained, Unlabelled(target.inputs[:1]))
    values = Model(Regression(("x",), (0.0,), (1.0,)), (1, SIDE, SIDE))
    with pytest.raises(
        InputError, match=rf"{name} adapts by class prob.*\(regress\); .*--task classify.*--adapt teacher"
    ):
        method.fit(values, target)


def test_steps_are_passes_over_the_target(target) -> None:
    assert SHOT(passes=3).steps(target, batch=16) == 15
    assert SHOT(passes=3).steps(target, batch=64) == 6


def test_tent_changes_normalisation_layers_alone(trained, target) -> None:
    adapted = TENT().fit(trained, target, steps=3, batch=16)
    changed = {key for key, value in trained.state_dict().items() if not torch.equal(value, adapted.state_dict()[key])}
    assert changed
    layers = [trained.get_submodule(key.rpartition(".")[0]) for key in changed]
    assert all(isinstance(layer, torch.nn.GroupNorm) for layer in layers)


def test_tent_needs_a_normalisation_layer() -> None:
    model = Model(Classification(("a", "b")), (4,))
    with pytest.raises(InputError, match=r"normalisation layers, but .*'perceptron' has none, .*Adapt it with shot"):
        TENT().fit(model, Unlabelled(torch.randn(8, 4)))


def test_shot_leaves_the_head_alone_and_serves_features() -> None:
    model = Model(Classification(("a", "b")), (4,))
    adapted = SHOT().fit(model, Unlabelled(torch.randn(40, 4)), steps=5, batch=16)
    for name, value in model.head.state_dict().items():
        assert torch.equal(value.cpu(), adapted.head.state_dict()[name].cpu())
    assert not torch.equal(weights(model).cpu(), weights(adapted).cpu())


def test_shot_mends_a_class_that_swallows_another(trained) -> None:
    """Light from the right biases the predictions. Information maximisation and the centroids correct it."""
    images, side = spots(120, 2, gain=0.35)
    images = (images + (torch.linspace(0, 110, SIDE)).to(torch.uint8)).contiguous()
    found = Labelled(images, side, ("left", "right"))
    adapted = SHOT(rate=3e-4).fit(trained, Unlabelled(images), steps=60, batch=32, hardware=Hardware())
    before, after = (model.evaluate(found)["accuracy"] for model in (trained, adapted))
    assert before < 0.8 < 0.95 < after, (before, after)


def test_centroids_are_those_of_the_paper() -> None:
    features = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 2.0], [0.9, 0.4]])
    said = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.1, 0.9, 0.0], [0.4, 0.6, 0.0]])
    unit = F.normalize(features)
    soft = F.normalize(said[:, :2].T @ unit)
    first = (unit @ soft.T).argmax(1)
    hard = F.normalize(torch.stack([unit[first == k].sum(0) for k in (0, 1)]))
    assert by_centroids(features, said).tolist() == (unit @ hard.T).argmax(1).tolist() == [0, 0, 1, 1, 0]


def reference_classes(features: torch.Tensor, said: torch.Tensor) -> list[int]:
    """Nearest mean by cosine distance in two rounds, among the classes that have a sample."""
    unit, shares, classes = F.normalize(features), said, said.argmax(1)
    for _ in range(2):
        present = classes.unique()
        means = (shares.T @ unit)[present] / shares.sum(0)[present, None]
        classes = present[F.cosine_similarity(unit[:, None], means[None], dim=2).argmax(1)]
        shares = F.one_hot(classes, said.shape[1]).float()
    return classes.tolist()


def test_a_class_that_loses_its_samples_takes_none_in_the_second_round() -> None:
    """Its centroid would be 0, which is nearer to a sample than centroids at more than a right angle."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        features = torch.randn(6, 2, generator=generator)
        said = torch.randn(6, 3, generator=generator).softmax(1)
        assert by_centroids(features, said).tolist() == reference_classes(features, said)


def test_the_frozen_head_of_shot_drops_nothing() -> None:
    torch.manual_seed(0)
    model, x = Model(Classification(("a", "b", "c")), (4,), dropout=0.9), torch.randn(16, 4)
    trainer = SHOT(pseudo=0.3, diversity=0.5).trainer(model, Unlabelled(x), Loop(4, batch=16, hardware=Hardware()))
    method = trainer.algorithm
    source, batch = trainer.batches()
    (update,) = method.updates(source, batch, Progress(0, 4))
    assert method.model.features.training
    assert not any(module.training for module in method.model.head.modules())
    p = method.model.head[1](method.model.features(batch.x)).softmax(1)
    labels = method.labels.classes[batch.index]
    certain = -(p * p.log()).sum(1).mean()
    diverse = -(p.mean(0) * p.mean(0).log()).sum()
    wanted = certain - 0.5 * diverse - 0.3 * p[torch.arange(16), labels].log().mean()
    assert update.loss().item() == pytest.approx(wanted.item(), rel=1e-5)


def test_tent_has_the_papers_rate_and_drops_nothing() -> None:
    torch.manual_seed(0)
    model = Model(Classification(("a", "b")), (1, SIDE, SIDE), norm="batch", dropout=0.9)
    trainer = TENT().trainer(model, Unlabelled(torch.rand(32, 1, SIDE, SIDE)), loop())
    method = trainer.algorithm
    assert {method.learning_rate(Progress(step, 100)) for step in range(100)} == {1e-3}
    method.shipped()  # switches to evaluation mode, as between two steps
    source, batch = trainer.batches()
    (update,) = method.updates(source, batch, Progress(0, 12))
    training = {type(module) for module in method.model.modules() if module.training}
    assert training == {torch.nn.BatchNorm2d}
    p = method.model(batch.x).softmax(1)
    assert update.loss().item() == pytest.approx(-(p * p.log()).sum(1).mean().item(), rel=1e-5)


@methods
def test_runs_of_more_than_one_network_that_takes_its_inputs_are_refused(name: str, trained: Model) -> None:
    method, words = SOURCE_FREE[name](), Labelled(torch.randn(40, 6), torch.arange(40) % 2)
    for then in ("source-only", "self-training"):
        mapped = Route(adapt=MSDA(layers=1, then=then)).run(words, words.unlabelled(), budget=Budget(steps=2)).model
        with pytest.raises(InputError, match=r"the run holds a model on mapped features; expected a single network"):
            method.fit(mapped, words.unlabelled())
    machine = Route(adapt=SVM()).run(words, words.unlabelled()).model
    with pytest.raises(InputError, match="the model has none, only a linear machine on the given features"):
        method.fit(machine, words.unlabelled())
    with pytest.raises(InputError, match="the run holds an ensemble of several models"):
        method.fit(Ensemble([trained, trained]), Unlabelled(torch.zeros(4, *trained.shape)))


def test_tent_ships_the_statistics_of_the_target() -> None:
    """A few steps move running statistics only in part; what is shipped normalises by those of all the target."""
    torch.manual_seed(0)
    model = Model(Classification(("a", "b")), (1, SIDE, SIDE), norm="batch")
    images = torch.rand(64, 1, SIDE, SIDE)
    adapted = TENT().fit(model, Unlabelled(images), steps=2, batch=32, hardware=Hardware())
    layer = next(module for module in adapted.modules() if isinstance(module, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda module, received, output: seen.append(received[0]))
    adapted.outputs(images)
    received = torch.cat(seen).transpose(0, 1).flatten(1)
    torch.testing.assert_close(layer.running_mean, received.mean(1), atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(layer.running_var, received.var(1), atol=1e-3, rtol=1e-2)
