"""Ensembles: prediction, saving and loading, and the weights of IWA."""

import pytest
import torch

from helpers import same
from pools import logits, pool
from synth2real import Labelled, Model, load_model
from synth2real.data.reading.pixels import Conversion
from synth2real.errors import InputError
from synth2real.networks.feature_maps import Layers
from synth2real.select.aggregate import METHODS, aggregate, encoded
from synth2real.select.validators import Pool, observe
from synth2real.tasks import Classification, Gaze, Keypoints, Regression, Task
from synth2real.training.ensemble import Ensemble, mix

EACH: tuple[Task, ...] = (
    Classification(("a", "b", "c")),
    Regression(("u", "v"), (1.0, 2.0), (1.0, 3.0)),
    Keypoints(("x", "y"), (16, 16)),
    Gaze(),
)
tasks = pytest.mark.parametrize("task", EACH, ids=lambda task: task.kind)


def models(task: Task, count: int = 3) -> list[Model]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(Model(task, (1, 16, 16), head=(8,) * seed).eval())
    return made


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@tasks
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 0.75, -0.25])])
def test_an_ensemble_is_saved_and_loaded_as_a_model(tmp_path, task, weights) -> None:
    members, x = models(task), images(7)
    made = Ensemble(members, weights).eval()
    made.save(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, Ensemble)
    same(loaded.predict(x).values, made.predict(x).values)
    assert made.embed(x).shape == (7, sum(member.width for member in members))
    predictions = torch.stack([member.outputs(x) for member in members])
    assert torch.allclose(made.outputs(x), mix(predictions, task, weights), atol=1e-5)


def test_plain_is_the_mean_probability_or_the_median_value() -> None:
    members, x = models(EACH[0]), images(7)
    mean = torch.stack([member.predict(x).values for member in members]).mean(0)
    assert torch.allclose(Ensemble(members).predict(x).values, mean, atol=1e-6)
    members = models(EACH[1])
    middle = torch.stack([member.predict(x).values for member in members]).median(0).values
    assert torch.allclose(Ensemble(members).predict(x).values, middle, atol=1e-5)


def test_an_ensemble_of_ensembles_is_saved_too(tmp_path) -> None:
    made = Ensemble([Ensemble(models(EACH[0])), models(EACH[0])[0]], torch.tensor([0.7, 0.3])).eval()
    made.save(tmp_path)
    same(load_model(tmp_path).predict(images(3)).values, made.predict(images(3)).values)


def test_members_that_do_not_match_are_refused() -> None:
    one, two, three = models(EACH[0])
    with pytest.raises(InputError, match=r"the ensemble has no member"):
        Ensemble([])
    with pytest.raises(InputError, match=r"3 members but 2 weights, expected one each"):
        Ensemble([one, two, three], torch.ones(2))
    mapped = Model(Classification(("a", "b")), (3,))
    mapped.put_behind(Layers((5, 3)))
    with pytest.raises(InputError, match="has a feature map, which an ensemble does not support"):
        Ensemble([mapped])
    with pytest.raises(InputError, match=r"differ in task: found Classification.* and Gaze.* Train them on one source"):
        Ensemble([one, models(EACH[3])[0]])
    two.conversion = Conversion((16, 16))
    with pytest.raises(InputError, match=r"differ in size: found None and \[16, 16\]"):
        Ensemble([one, two])


@tasks
def test_encoded_labels_are_predicted_back(task) -> None:
    labels = torch.tensor([[0.1, -0.2], [0.3, 0.25]]).double() if task.kind != "classify" else torch.tensor([2, 0])
    predictions = task.predict(encoded(task, labels).float())
    if isinstance(task, Classification):
        assert torch.equal(predictions.argmax(1), labels)
    else:
        assert torch.allclose(predictions.double(), labels, atol=1e-5)


def test_iwa_removes_opposite_errors_of_two_candidates() -> None:
    """Candidates truth + noise and truth - noise, one domain: the mean of both is the truth."""
    generator = torch.Generator().manual_seed(0)
    task = Regression(("v",), (0.0,), (1.0,))
    truth, noise = torch.randn(400, 1, generator=generator), 2 * torch.randn(400, 1, generator=generator)
    same = torch.randn(400, 2, generator=generator)
    predictions = [truth + noise, truth - noise]
    made = pool(task, predictions, source=predictions, labels=truth, features=[(same, same)] * 2)
    weights = METHODS["iwa"](made)
    assert weights is not None
    assert torch.allclose(weights, torch.full((2,), 0.5), atol=0.05)


def test_iwa_gives_a_useless_classifier_no_weight() -> None:
    labels = torch.arange(40) % 2
    right = logits([[0.98, 0.02], [0.02, 0.98]]).repeat(20, 1)
    one_class = logits([[0.9, 0.1]]).expand(40, 2)
    same = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    made = pool(
        Classification(("a", "b")),
        [right, one_class],
        source=[right, one_class],
        labels=labels,
        features=[(same, same)] * 2,
    )
    weights = METHODS["iwa"](made)
    assert weights is not None
    assert float(weights[0]) > 0.9
    assert abs(float(weights[1])) < 0.1


def test_iwa_keeps_the_scale_of_outputs_if_importance_is_wrong() -> None:
    """Labels of the source at twice the target's scale: free coefficients would double every output."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(200, 1, generator=generator)
    predictions = [truth + 0.1 * torch.randn(200, 1, generator=generator) for _ in range(3)]
    same = torch.randn(200, 2, generator=generator)
    made = pool(
        Regression(("v",), (0.0,), (1.0,)),
        predictions,
        source=[2 * one for one in predictions],
        labels=2 * truth,
        features=[(same, same)] * 3,
    )
    weights = METHODS["iwa"](made)
    assert weights is not None
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_aggregates_are_models(name) -> None:
    task = EACH[0]
    members, x = models(task), images(40)
    held, target = Labelled(x[:20], torch.arange(20) % 3, task.classes), Labelled(x[20:], torch.arange(20) % 3)
    seen = [observe(member, held, target.unlabelled()) for member in members]
    made = Pool(seen, task, held.labels)
    assert 0 <= aggregate(name, members, made).evaluate(held)["accuracy"] <= 1
    with pytest.raises(InputError, match=r"2 models but 3 candidates, expected one model for each"):
        aggregate(name, members[:2], made)
    with pytest.raises(InputError, match=r"aggregation 'best' is unknown, expected one of: ensemble, iwa"):
        aggregate("best", members, made)
