"""DANN: the paper's schedules, preset and reversed gradient, exactly."""

import math

import pytest
import torch

import spots
from synth2real.adapt import DANN
from synth2real.adapt.adversarial.dann import SHALLOW_WEIGHTS, limit_norms
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.route.route import Route
from synth2real.settings import build
from synth2real.tasks import Classification, Keypoints
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model


@pytest.mark.parametrize("p", [0.0, 0.25, 0.9])
def test_lambda_and_learning_rate_follow_the_paper(p: float) -> None:
    paper, progress = DANN(preset="paper"), Progress(round(p * 100), 100)
    assert paper.ramp(progress) == pytest.approx(2 / (1 + math.exp(-10 * p)) - 1)
    assert paper.learning_rate(progress) == pytest.approx(0.01 / (1 + 10 * p) ** 0.75)


def test_the_preset_is_the_paper_and_fields_beside_it_win() -> None:
    paper = DANN(preset="paper")
    assert (paper.network, paper.optimize, paper.statistics, paper.head) == ("dann-mnist", "sgd", "source", (100, 100))
    assert DANN(preset="paper", rate=0.05).rate == 0.05
    assert DANN().network is None


@pytest.mark.parametrize(
    ("preset", "side", "labels", "critic"),
    [
        ("paper", 28, [(100, 768), (100, 100), (10, 100)], [(100, 768), (1, 100)]),
        ("paper-svhn", 32, [(3072, 6272), (2048, 3072), (10, 2048)], [(1024, 6272), (1024, 1024), (1, 1024)]),
        ("paper-gtsrb", 40, [(512, 1024), (10, 512)], [(1024, 1024), (1024, 1024), (1, 1024)]),
    ],
)
def test_each_preset_is_an_architecture_of_the_paper(preset: str, side: int, labels: list, critic: list) -> None:
    method = build({"dann": DANN}, "dann", {"preset": preset}, stage="adapt")
    task, shape = Classification(tuple("0123456789")), (3, side, side)
    method.prepare(Model(task, shape, network=method.network, head=method.head), Unlabelled(torch.rand(2, *shape)))
    widths = [
        [tuple(p.shape) for p in net.parameters() if p.ndim == 2] for net in (method.model.head, method.domain_critic)
    ]
    assert widths == [labels, critic]
    assert (method.optimize, method.rate, method.schedule, method.statistics) == ("sgd", 0.01, "dann", "source")


def test_the_preset_for_house_numbers_has_dropout_and_limits_the_weights() -> None:
    method = DANN(preset="paper-svhn", head=(20, 20), critic=(20,))
    assert (method.dropout, method.hidden_dropout, method.max_norm) == (0.5, 0.5, 4.0)
    model = Model(Classification(("a", "b")), (3, 32, 32), network=method.network, head=method.head, dropout=0.5)
    names = list(model.state_dict())
    method.prepare(model, Unlabelled(torch.rand(2, 3, 32, 32)))
    assert list(model.state_dict()) == names  # so that the saved model needs no dropout
    assert [m.p for m in model.head.modules() if isinstance(m, torch.nn.Dropout)] == [0.5] * 3
    with torch.no_grad():
        for parameter in (*model.parameters(), *method.domain_critic.parameters()):
            parameter.mul_(100)
    x = torch.rand(4, 3, 32, 32)
    batches = SourceBatch(x, torch.tensor([0, 1, 0, 1]), x), TargetBatch(x, x, None)
    assert len(list(method.updates(*batches, Progress(0, 2)))) == 1
    weights = [p for net in (model, method.domain_critic) for p in net.parameters() if p.ndim > 1]
    norms = torch.cat([weight.flatten(1).norm(dim=1) for weight in weights])
    assert norms.max().item() == pytest.approx(4, rel=1e-4)
    assert norms.min() > 1


def test_weights_within_the_limit_and_frozen_ones_stay() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        layers[0].weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        layers[1].weight.copy_(torch.tensor([[30.0, 40.0]]))
    layers[1].requires_grad_(False)
    limit_norms(layers, 2.0)
    torch.testing.assert_close(layers[0].weight, torch.tensor([[1.2, 1.6], [0.3, 0.4]]))
    assert layers[1].weight.tolist() == [[30, 40]]


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"adapt\.preset of 'dann': found 'papers', .*'paper-svhn'"):
        build({"dann": DANN}, "dann", {"preset": "papers"}, stage="adapt")


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(Exception, match=r"has no setting 'wieght'.*Did you mean 'weight'"):
        build({"dann": DANN}, "dann", {"wieght": 1}, stage="adapt")


def test_features_get_the_reversed_gradient_and_the_critic_its_own() -> None:
    method = DANN(weight=0.5)
    model = Model(Classification(("a", "b")), (4,))
    method.prepare(model, Unlabelled(torch.randn(8, 4)))
    features = torch.randn(8, model.width, requires_grad=True)
    loss = method.domain_loss(features, 4, ramp=1.0)
    (reversed_gradient,) = torch.autograd.grad(loss, features, retain_graph=True)
    logits = method.domain_critic(features).flatten()
    truth = torch.tensor([1.0] * 4 + [0.0] * 4)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    (straight,) = torch.autograd.grad(plain, features)
    torch.testing.assert_close(reversed_gradient, -0.5 * straight)
    assert loss.item() == pytest.approx(plain.item())


def test_on_features_the_preset_is_the_papers_shallow_network() -> None:
    shallow = DANN(preset="paper", weight=0.3).fresh((20,))
    assert (shallow.network, shallow.head, shallow.critic, shallow.weight) == ("shallow-100", (), (), 0.3)
    assert (shallow.statistics, shallow.schedule, shallow.optimize) == ("none", "constant", "sgd")
    assert DANN(preset="paper", network="shallow-50").fresh((20,)).network == "shallow-50"
    assert DANN(preset="paper").fresh((1, 28, 28)) == DANN(preset="paper")
    assert DANN().fresh((20,)) == DANN()
    assert (SHALLOW_WEIGHTS[0], SHALLOW_WEIGHTS[-1], len(SHALLOW_WEIGHTS)) == (0.01, 1.0, 9)


def test_the_critic_pulls_at_values_in_proportion_to_their_loss() -> None:
    halfway, label = Progress(50, 100), torch.tensor(0.01)
    pulls = []
    for task in (Classification(("a", "b")), Keypoints(("x", "y"), (16, 16))):
        method = DANN()
        method.prepare(Model(task, (1, 16, 16)), Unlabelled(torch.rand(2, 1, 16, 16)))
        pulls.append(float(method.pull(label, halfway)))
    assert pulls == pytest.approx([DANN().ramp(halfway), 0.01 * DANN().ramp(halfway)])


def test_half_the_features_are_dropped_for_classes_by_default() -> None:
    classes, point = Classification(("a", "b")), Keypoints(("x", "y"), (16, 16))
    assert [DANN().dropped(task) for task in (classes, point)] == [0.5, 0.0]
    assert [DANN(dropout=0.2).dropped(task) for task in (classes, point)] == [0.2, 0.2]
    assert DANN(preset="paper").dropped(classes) == 0.0
    source = Labelled(torch.randn(40, 5), torch.arange(40) % 2, ("a", "b"))
    made = Route(adapt=DANN()).fit(source, source.unlabelled(), steps=1)
    assert made.description["dropout"] == 0.5


def test_the_critic_of_objects_sees_points_as_much_as_an_object_is_seen_there() -> None:
    torch.manual_seed(0)
    source, target = spots.spots(4, 0), spots.spots(4, 1)
    method = DANN(objects=0.5).fresh()
    method.prepare(Model(spots.TASK, (1, 32, 32)), target.unlabelled())
    features, outputs = torch.randn(8, method.model.width, 4, 4), torch.full((8, 6, 4, 4), -20.0)
    outputs[:, 1, 2, 3] = 5.0  # one object in each image
    critic = method.networks["objects"]
    logits = critic(features)[:, 0, 2, 3]
    truth = torch.tensor([1.0] * 4 + [0.0] * 4)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    torch.testing.assert_close(method.object_loss(features, outputs, 4, 1.0), expected, atol=1e-4, rtol=1e-4)
    x, y = source.inputs.float() / 255, target.inputs.float() / 255
    batches = SourceBatch(x, source.labels, x, None), TargetBatch(y, y, None)
    (update,) = list(method.updates(*batches, Progress(5, 10)))
    assert set(update.terms) == {"label", "domain", "objects"}
    assert update.terms["objects"][0] == 0.5
    assert critic in update.of


def test_a_critic_of_objects_is_for_boxes() -> None:
    with pytest.raises(
        InputError, match=r"adapt.objects=1 weighs features .* the task classify has none, expected boxes"
    ):
        DANN(objects=1.0).prepare(Model(Classification(("a", "b")), (1, 16, 16)), Unlabelled(torch.rand(4, 1, 16, 16)))
