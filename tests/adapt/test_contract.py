"""One contract for every method: it is tested by being listed in METHODS."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from synth2real.adapt import METHODS, Objective
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.networks.layers import NETWORKS, Convolutional
from synth2real.randomize import Full, Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.settings import build, to_dict
from synth2real.tasks import TASKS, Classification, Detection, Segmentation, Task
from synth2real.training.given import split
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer
from synth2real.training.model import Model
from synth2real.training.saved_model import load_model

SIDE = 8  # pixels: small, since all methods are trained on all tasks
MASK_SIDE = 16  # the least for maps of features
CLASSES_ONLY = ("adamatch", "cdan", "entropy", "mcc", "mcd", "mdd")  # all other methods serve values, points and gaze
BOXES = ("source-only", "dann", "adabn", "dsbn", "teacher", "mic")
MASKS = (*BOXES, "cdan", "entropy")


@pytest.fixture(autouse=True)
def half_the_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default network, narrower: the contract is about the methods."""
    monkeypatch.setitem(NETWORKS, "convolutional", partial(Convolutional, width=16, hidden=64))


def serves(name: str, kind: str) -> bool:
    if kind in ("segment", "detect"):
        return name in (MASKS if kind == "segment" else BOXES)
    return kind == "classify" or name not in CLASSES_ONLY


each_method = pytest.mark.parametrize("name", METHODS)
each_task_served = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in METHODS for kind in TASKS if serves(name, kind)]
)


def blobs(count: int, seed: int, shift: float = 0.0, side: int = SIDE) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, side, side) of one bright spot, and where it is, (N, 2) x, y in pixels."""
    generator = torch.Generator().manual_seed(seed)
    xy = 2 + torch.rand(count, 2, generator=generator) * (side - 5)
    grid = torch.arange(side, dtype=torch.float32)
    squared = (grid - xy[:, :1])[:, None, :] ** 2 + (grid - xy[:, 1:])[:, :, None] ** 2
    return ((torch.exp(-squared / 3) * (0.9 - shift) + shift) * 255).to(torch.uint8)[:, None], xy


def domains(kind: str) -> tuple[Labelled, Unlabelled, Task]:
    if kind == "detect":
        images, xy = blobs(96, 0, side=MASK_SIDE)
        corners = torch.cat([xy - 1.5, xy + 2.5], 1)
        labelled = Labelled(images, Boxes.of(list(corners[:, None]), [torch.zeros(1)] * 96), ("spot",))
        return labelled, Unlabelled(blobs(80, 1, shift=0.3, side=MASK_SIDE)[0]), Detection.of(labelled)
    if kind == "segment":
        images, _ = blobs(96, 0, side=MASK_SIDE)
        masks = Masks((images[:, 0] > 100).to(torch.uint8))
        labelled = Labelled(images, masks, ("ground", "spot"))
        return labelled, Unlabelled(blobs(80, 1, shift=0.3, side=MASK_SIDE)[0]), Segmentation.of(labelled)
    images, xy = blobs(96, 0)
    target = Unlabelled(blobs(80, 1, shift=0.3)[0])
    if kind == "classify":
        labelled = Labelled(images, (xy[:, 0] > SIDE / 2 - 0.5).long(), ("left", "right"))
        return labelled, target, Classification.of(labelled)
    if kind == "gaze":  # a spot that is the iris of an eye which fills the frame
        xy = ((xy - SIDE / 2) / SIDE).flip(1) * -1
    labelled = Labelled(images, xy, columns=("pitch", "yaw") if kind == "gaze" else ("x", "y"))
    return labelled, target, TASKS[kind].of(labelled)


def prepared(
    name: str, source: Labelled, target: Unlabelled, task: Task, seed: int = 0, **settings: object
) -> Objective:
    """The objective, ready to train."""
    return Route(adapt=METHODS[name](**settings)).prepare(source, target, task, seed)


def trainer(name: str, kind: str, steps: int = 12, seed: int = 0, batch: int = 8, **settings: object) -> Trainer:
    source, target, task = domains(kind)
    objective = prepared(name, source, target, task, seed, **settings)
    policy = (
        Full() if kind in ("keypoints", "gaze", "segment", "detect") else Photometric()
    )  # a warp would move left to right
    loop = Loop(steps=steps, batch=batch, seed=seed, hardware=Hardware(), randomize=policy, report_every=1)
    return Trainer(objective, source, target, loop, task.move, task.mix)


@pytest.mark.parametrize("kind", ["segment", "detect"])
@pytest.mark.parametrize("name", [name for name in METHODS if not serves(name, "segment")])
def test_a_method_of_vectors_refuses_maps_and_names_methods_that_serve_them(name: str, kind: str) -> None:
    with pytest.raises(InputError, match=rf"task {kind} has maps of features\. Choose a method") as refusal:
        prepared(name, *domains(kind))
    offered, _, of_masks = str(refusal.value).partition("serves it: ")[2].partition("; for masks also ")
    assert set(offered.replace(" or ", ", ").split(", ")) == set(BOXES)
    assert {*BOXES, *of_masks.split(" or ")} == set(MASKS)


@pytest.mark.parametrize("kind", [kind for kind in TASKS if kind != "classify" and not TASKS[kind].dense])
@pytest.mark.parametrize("name", CLASSES_ONLY)
def test_a_method_for_classes_refuses_other_tasks_and_names_methods_that_serve_them(name: str, kind: str) -> None:
    expected = (
        rf"^adapt: {METHODS[name].__name__} needs classes, since it .*; found the task {kind}\. Choose a method that"
    )
    with pytest.raises(InputError, match=expected) as refusal:
        prepared(name, *domains(kind))
    offered = str(refusal.value).partition("such as ")[2].replace(" or ", ", ").split(", ")
    assert set(offered) <= METHODS.keys() - set(CLASSES_ONLY)


@each_method
def test_settings_survive_a_round_trip(name: str) -> None:
    method = METHODS[name](rate=0.003, dropout=0.25)
    again = build(METHODS, name, to_dict(method))
    assert again == method
    assert method.fresh() == method
    assert method.fresh() is not method


@each_task_served
def test_the_label_loss_falls(name: str, kind: str) -> None:
    losses: list[float] = []
    algorithm = trainer(name, kind, steps=50, batch=16)
    algorithm.run(report=lambda step, terms: losses.extend([terms["label"]] if "label" in terms else []))
    assert len(losses) >= 25  # a method may learn the source first
    assert sum(losses[-10:]) < 0.8 * 2 * sum(losses[:5])


@each_task_served
@pytest.mark.parametrize("tune", ["whole", "frozen"])
def test_gradients_reach_every_parameter_of_what_an_update_names(name: str, kind: str, tune: str) -> None:
    """With a frozen network these are the bottleneck, the head and the networks of the method."""
    algorithm = trainer(name, kind, tune=tune)
    algorithm.step = 6  # where every term has weight
    objective = algorithm.algorithm
    source, target = algorithm.batches()
    from synth2real.training.loop import Progress

    for update in objective.updates(source, target, Progress(6, 12)):
        named = [(n, p) for network in update.of for n, p in network.named_parameters()]
        parameters = [(n, p) for n, p in named if p.requires_grad]
        assert {n for n, _ in named} - {n for n, _ in parameters} == set() or tune == "frozen"
        assert not any(".network." in n for n, _ in parameters)
        gradients = torch.autograd.grad(update.loss(), [p for _, p in parameters], allow_unused=True)
        for (parameter, _), gradient in zip(parameters, gradients, strict=True):
            assert gradient is not None, f"{parameter} has no gradient"
            assert gradient.isfinite().all()


@each_task_served
def test_networks_that_an_update_does_not_name_stay_as_they_are(name: str, kind: str) -> None:
    algorithm = trainer(name, kind)
    for network in algorithm.algorithm.networks.values():
        for parameter in network.parameters():
            assert parameter.grad is None
    algorithm._take_step()
    for network in algorithm.algorithm.networks.values():
        for parameter in network.parameters():
            assert parameter.grad is None, "gradients are cleared after each update"


@each_task_served
def test_the_same_seed_gives_the_same_bits(name: str, kind: str) -> None:
    first, second, other = (trainer(name, kind, steps=4, seed=seed) for seed in (3, 3, 4))
    for algorithm in (first, second, other):
        algorithm.run()
    weights = [
        torch.cat([p.flatten() for p in algorithm.algorithm.shipped().parameters()])
        for algorithm in (first, second, other)
    ]  # type: ignore[attr-defined]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@each_task_served
def test_a_restored_training_goes_on_with_the_same_bits(name: str, kind: str) -> None:
    unbroken, broken, resumed = (trainer(name, kind, steps=5) for _ in range(3))
    unbroken.run()
    for _ in range(3):
        broken._take_step()
    resumed.restore(broken.state())
    assert resumed.step == 3
    resumed.run()
    found = resumed.state()
    for key, value in unbroken.state().items():
        assert torch.equal(value, found[key]), key


@each_task_served
def test_saved_and_loaded_predictions_agree(name: str, kind: str, tmp_path) -> None:
    source, target, task = domains(kind)
    prepared(name, source, target, task)
    model = Route(adapt=METHODS[name]()).run(source, target, task=task, budget=Budget(steps=3, batch=16)).model
    assert isinstance(model, Model)
    model.save(tmp_path)
    ours, again = (one.predict(target).values for one in (model, load_model(tmp_path)))
    if kind == "detect":
        ours, again = (torch.cat([boxes.corners, boxes.scores[:, None]], 1) for boxes in (ours, again))
    assert torch.equal(ours, again)


@each_method
def test_features_are_served_too(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(64, 5, generator=generator)
    source = Labelled(features, (features[:, 0] > 0).long(), ("no", "yes"))
    run = Route(adapt=METHODS[name]()).run(source, Unlabelled(features + 0.2), budget=Budget(steps=40, batch=16))
    assert run.model.evaluate(source)["accuracy"] > 0.8


@each_method
def test_the_learning_rate_is_positive_and_below_its_peak(name: str) -> None:
    from synth2real.training.loop import Progress

    method = prepared(name, *domains("classify"))
    rates = [method.learning_rate(Progress(step, 100)) for step in range(100)]
    assert max(rates) <= method.highest_rate
    assert min(rates) > 0
    assert all(math.isfinite(rate) for rate in rates)


@each_method
def test_a_batch_of_one_is_served_or_refused_and_so_is_a_target_of_one_image(name: str) -> None:
    source, target, _ = domains("classify")
    alone = target.subset(torch.tensor([0]))
    assert (
        Route(adapt=METHODS[name]())
        .run(source, alone, budget=Budget(steps=3, batch=4))
        .model.outputs(target.inputs)
        .isfinite()
        .all()
    )
    route, small = Route(adapt=METHODS[name]()), Budget(steps=3, batch=1)
    if METHODS[name].least_batch == 1:
        assert route.run(source, target, budget=small).model.outputs(target.inputs).isfinite().all()
    else:
        with pytest.raises(InputError, match=f"batch is 1, but {METHODS[name].__name__} .* 2 samples of each domain"):
            route.run(source, target, budget=small)


@each_method
def test_given_columns_reach_the_network_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a method does to the pixels of a batch, each network gets values that were given."""
    source, target, task = domains("classify")
    known = torch.arange(96.0 + 80)
    source = replace(source, given=known[:96, None], given_columns=("iso",))
    target = replace(target, given=known[96:, None], given_columns=("iso",))
    seen = []

    def watched(x: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        inputs, given = split(x, count)
        assert torch.allclose(x[:, -1:], given[:, :, None, None].expand(-1, -1, SIDE, SIDE))
        seen.append(given)
        return inputs, given

    monkeypatch.setattr("synth2real.training.featured.split", watched)
    objective = prepared(name, source, target, task)
    loop = Loop(steps=8, batch=8, hardware=Hardware(), randomize=Photometric(), report_every=1)
    Trainer(objective, source, target, loop, task.move).run()
    assert torch.isin(torch.cat(seen).round(decimals=3), known).all()
    assert objective.ready().predict(target).values.isfinite().all()
