"""Given columns as inputs of a model: the batches, how they move with the image, and what a model does with them."""

import copy

import pytest
import torch
import yaml

from small_trainings import Tiny
from synth2real import Budget, Ensemble, Labelled, Model, Route, Unlabelled, load_model
from synth2real.adapt import SHOT, SourceOnly
from synth2real.data.sparse import Sparse
from synth2real.errors import InputError
from synth2real.randomize import Full, Photometric
from synth2real.tasks import Classification, Gaze, Regression
from synth2real.training.featured import EMBEDDED
from synth2real.training.given import WithGiven, append, move_given, split
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Algorithm, Loop, Trainer
from synth2real.training.model import DESCRIPTION
from synth2real.transforms.warp import Warp

HEAD = ("head_pitch", "head_yaw")


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def angles(count: int, seed: int = 0) -> torch.Tensor:
    return uniform(count, 2, seed=seed) - 0.5


def domains(count: int = 60) -> tuple[Labelled, Unlabelled]:
    """Images of noise. The label is a function of what is given, and of nothing in the image."""
    images, given = (255 * uniform(count, 1, 8, 8)).byte(), angles(count)
    labels = 3 * given[:, :1] - given[:, 1:]
    source = Labelled(images, labels, columns=("y",), given=given, given_columns=HEAD)
    return source, Unlabelled(images.flip(0), given=given.flip(0), given_columns=HEAD)


@pytest.mark.parametrize("x", [uniform(5, 3, 4, 6), uniform(5, 1, 4, 6), uniform(5, 7)])
def test_what_is_appended_is_split_off_again_without_a_change(x: torch.Tensor) -> None:
    given = angles(5)
    inputs, values = split(append(x, given), 2)
    assert torch.equal(inputs, x)
    assert torch.equal(values, given)
    assert append(x, None) is x
    assert split(x, 0) == (x, None)


def test_inputs_with_given_values_are_batches_of_both() -> None:
    images, given = (255 * uniform(4, 3, 5, 6)).byte(), angles(4)
    both = WithGiven(images, given)
    assert (len(both), both.shape) == (4, (4, 5, 5, 6))
    batch, values = split(both[torch.tensor([2, 0])], 2)
    assert torch.equal(batch, images[[2, 0]] / 255)
    assert torch.equal(values, given[[2, 0]])
    assert WithGiven(Sparse(torch.eye(3).numpy()), angles(3))[torch.tensor([1])].shape == (1, 5)


def test_given_directions_turn_with_the_image_as_gaze_does() -> None:
    warp = Warp.sample(
        9, (8, 8), rotation=40, mirror=0.5, shift=0.2, scale=0.3, generator=torch.Generator().manual_seed(0)
    )
    given = torch.cat([uniform(9, 1), angles(9), angles(9, 1)], 1)
    columns = ("exposure", "head_yaw", "head_pitch", "camera_pitch", "camera_yaw")
    moved = move_given(given, columns, warp)
    assert torch.equal(moved[:, 0], given[:, 0])
    assert torch.allclose(moved[:, [2, 1]], Gaze().move(given[:, [2, 1]], warp))
    assert torch.allclose(moved[:, 3:], Gaze().move(given[:, 3:], warp))
    assert not torch.allclose(moved[:, 1:], given[:, 1:], atol=0.01)
    assert move_given(given, columns, None) is given


def test_a_lone_angle_turns_as_if_the_other_was_zero() -> None:
    mirror = Warp.sample(4, (8, 8), mirror=1.0, generator=torch.Generator().manual_seed(0))
    given = angles(4)
    assert torch.allclose(move_given(given[:, :1], ("yaw",), mirror), -given[:, :1], atol=1e-6)
    assert torch.allclose(move_given(given[:, :1], ("head_pitch",), mirror), given[:, :1], atol=1e-6)


class Nothing(Algorithm):
    """An algorithm without networks, to look at its batches."""

    given_columns = HEAD

    def __init__(self) -> None:
        self.networks: dict[str, torch.nn.Module] = {}

    def updates(self, source, target, progress):
        yield from ()

    def optimizer(self, network):
        raise AssertionError


def test_in_every_batch_a_given_direction_moves_as_a_label_does() -> None:
    """The label is the given direction itself."""
    given = angles(40)
    source = Labelled((255 * uniform(40, 1, 8, 8)).byte(), given, columns=("p", "y"), given=given, given_columns=HEAD)
    loop = Loop(steps=1, batch=16, hardware=Hardware(), randomize=Full(mirror=0.5))
    target = source.unlabelled()
    batch, theirs = Trainer(Nothing(), source, target, loop, Gaze(("p", "y")).move).batches()
    assert torch.allclose(split(batch.x, 2)[1], batch.y, atol=1e-6)
    assert not torch.allclose(batch.y, split(batch.clean, 2)[1], atol=0.01)
    assert torch.equal(split(theirs.clean, 2)[1], given[theirs.index])
    assert torch.allclose(split(theirs.x, 2)[1], Gaze().move(given[theirs.index], theirs.warp), atol=1e-6)


def test_given_values_of_mixed_images_are_mixed_as_labels_are() -> None:
    given = uniform(40, 1)
    source = Labelled((255 * uniform(40, 1, 8, 8)).byte(), given, columns=("y",), given=given, given_columns=("iso",))
    algorithm = Nothing()
    algorithm.given_columns = ("iso",)
    loop = Loop(steps=1, batch=16, hardware=Hardware(), randomize=Photometric(mixup=1.0))
    task = Regression.of(source)
    batch, _ = Trainer(algorithm, source, source.unlabelled(), loop, task.move, task.mix).batches()
    images, values = split(batch.x, 1)
    assert torch.allclose(values, batch.y, atol=1e-6)
    assert not torch.allclose(values, split(batch.clean, 1)[1])
    assert images.shape == (16, 1, 8, 8)


def test_an_algorithm_that_takes_none_sees_images_alone() -> None:
    algorithm = Nothing()
    algorithm.given_columns = ()
    source, target = domains()
    batch, theirs = Trainer(algorithm, source, target, Loop(steps=1, batch=4, hardware=Hardware())).batches()
    assert batch.x.shape == batch.clean.shape == theirs.x.shape == (4, 1, 8, 8)


@pytest.mark.parametrize("settings", [{}, {"head": (16,)}, {"tune": "frozen"}, {"tune": "last"}])
def test_a_model_learns_what_only_the_given_columns_say(tmp_path, settings) -> None:
    source, target = domains()
    route = Route(adapt=SourceOnly(rate=0.02, **settings), features=Tiny())
    model = route.run(source, target, budget=Budget(steps=100, batch=16, hardware=Hardware())).model
    predicted = model.predict(target).values
    truth = source.labels.flip(0)
    assert float((predicted - truth).abs().mean()) < 0.3 * float((truth - truth.mean()).abs().mean())
    model.save(tmp_path)
    loaded = load_model(tmp_path, features=Tiny())
    assert torch.equal(loaded.predict(target).values, predicted)
    assert loaded.given_columns == HEAD
    assert loaded.evaluate(source) == model.evaluate(source)


def model(**settings) -> Model:
    torch.manual_seed(0)
    return Model(Regression(("y",), mean=(0.0,), std=(1.0,)), (1, 8, 8), given_columns=HEAD, **settings).eval()


def test_given_columns_are_found_by_name() -> None:
    made, (_, target) = model(), domains()
    other = Unlabelled(target.inputs, given=target.given.flip(1), given_columns=HEAD[::-1])
    more = torch.cat([torch.ones(60, 1), target.given], 1)
    third = Unlabelled(target.inputs, given=more, given_columns=("iso", *HEAD))
    assert torch.equal(made.predict(other).values, made.predict(target).values)
    assert torch.equal(made.predict(third).values, made.predict(target).values)
    plain = Model(made.task, (1, 8, 8)).eval()
    assert torch.equal(plain.predict(target).values, plain.predict(target.inputs).values)


@pytest.mark.parametrize("given", [{}, {"given": torch.ones(60, 1), "given_columns": ("head_pitch",)}])
def test_inputs_without_a_given_column_are_refused(given) -> None:
    images, made = domains()[1].inputs, model()
    domain = Unlabelled(images, **given)
    with pytest.raises(InputError, match=r"the data has no given column .*'head_yaw', which the model takes beside"):
        made.predict(domain)
    with pytest.raises(
        InputError, match=r"takes 1 channels or features and the given columns 'head_pitch', 'head_yaw'"
    ):
        made.outputs(images)


def test_values_in_another_unit_are_refused_also_after_the_training() -> None:
    made, (_, target) = model(given_scale=(torch.zeros(2), torch.full((2,), 0.2))), domains()
    made.predict(target)
    degrees = Unlabelled(target.inputs, given=target.given.rad2deg(), given_columns=HEAD)
    with pytest.raises(InputError, match=r"'head_pitch' is -2\d.* to 2\d.* in the data, but 0 on average with a dev"):
        made.predict(degrees)


def test_features_alone_do_not_depend_on_given_values() -> None:
    made, (source, target) = model(), domains()
    alone = made.embed_alone(source.inputs)
    every = made.embed(made.inputs_of(source))
    width = alone.shape[1]
    assert width + 2 + EMBEDDED == every.shape[1] == made.width
    assert torch.equal(alone, every[:, :width])
    assert torch.allclose(every[:, width : width + 2], source.given)
    assert torch.equal(every[:, width:], made.of_given(source))
    together = Ensemble([made, made])
    assert together.given_columns == HEAD
    assert together.embed_alone(target.inputs)[:, width : made.width].std(0).max() < 1e-6


def test_an_ensemble_takes_the_given_columns_of_its_members(tmp_path) -> None:
    made, (_, target) = model(), domains()
    Ensemble([made, copy.deepcopy(made)]).eval().save(tmp_path)
    torch.testing.assert_close(load_model(tmp_path).predict(target).values, made.predict(target).values)
    with pytest.raises(InputError, match="members of an ensemble differ in given columns"):
        Ensemble([made, Model(made.task, (1, 8, 8))])


def test_a_model_from_before_given_columns_loads(tmp_path) -> None:
    made = Model(Regression(("y",), mean=(0.0,), std=(1.0,)), (1, 8, 8)).eval()
    made.save(tmp_path)
    description = yaml.safe_load((tmp_path / DESCRIPTION).read_text())
    assert description.pop("given_columns") == []
    (tmp_path / DESCRIPTION).write_text(yaml.safe_dump(description))
    x = domains()[1]
    assert torch.equal(load_model(tmp_path).predict(x).values, made.predict(x).values)


@pytest.mark.parametrize("adapt", ["shot", "tent"])
def test_adaptation_without_source_takes_them_too(adapt: str) -> None:
    from synth2real.adapt import SOURCE_FREE

    torch.manual_seed(0)
    made = Model(Classification(("a", "b")), (1, 8, 8), given_columns=HEAD).eval()
    target = domains()[1]
    adapted = SOURCE_FREE[adapt]().fit(made, target, steps=3, batch=16, hardware=Hardware())
    assert adapted.predict(target).values.shape == (60, 2)
    with pytest.raises(InputError, match="the target has no given column 'head_pitch', 'head_yaw'"):
        SHOT().fit(made, Unlabelled(target.inputs))
