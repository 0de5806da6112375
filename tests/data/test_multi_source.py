"""Several labelled sources: joining, classification by DANN's critic, the command line, and refusals."""

import math

import pytest
import torch
import yaml

from helpers import picture, refused, save
from synth2real import Budget, Labelled, Route, Unlabelled, join
from synth2real.adapt import DANN
from synth2real.adapt.shared.reversal import several_loss
from synth2real.data.sparse import Sparse
from synth2real.errors import InputError
from synth2real.randomize import Photometric
from synth2real.tasks import Classification
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Trainer
from synth2real.training.model import Model


def part(shift: float, seed: int, count: int = 150) -> Labelled:
    """Features (N, 6): the first determines the class. Three others have the mean `shift`, which marks the source."""
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    labels = (x[:, 0] > 0).long()
    x[:, 3:] += shift
    return Labelled(x, labels, ("no", "yes"))


BOTH = [part(-2.0, 0), part(2.0, 1, 100)]
TARGET = Unlabelled(part(0.0, 2).inputs)


def test_joined_sources_keep_the_source_of_each_sample() -> None:
    images = [Labelled(torch.full((2, 1, 4, 4), i, dtype=torch.uint8), torch.tensor([0, 1])) for i in (3, 5)]
    named = Labelled(images[0].inputs, images[0].labels, names=("0.png", "1.png"), sizes=torch.tensor([[8, 9]] * 2))
    joined = join(images)
    assert joined.domain.tolist() == [0, 0, 1, 1]
    assert joined.inputs[:, 0, 0, 0].tolist() == [3, 3, 5, 5]
    assert (joined.labels.tolist(), joined.classes, joined.names, joined.sizes) == ([0, 1, 0, 1], ("0", "1"), (), None)
    assert joined.subset(torch.tensor([3, 0])).domain.tolist() == [1, 0]
    assert join([named, images[1]]).sizes.tolist() == [[8, 9], [8, 9], [4, 4], [4, 4]]
    assert join([named, named], ("a", "b")).names == ("a/0.png", "a/1.png", "b/0.png", "b/1.png")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            part(0, 0).subset(torch.arange(3)).inputs[:, :4],
            r"source 2: has inputs of 4, source 1 of 6: expected the same shape",
        ),
        (("no", "maybe"), r"source 2: has the classes 'no', 'maybe', source 1 has 'no', 'yes': expected the same"),
        (torch.zeros(3, 2), r"source 2: has the classes none, source 1 has 'no', 'yes'"),
        ("sparse", r"source 2: has inputs of type Sparse, expected images or dense features in memory"),
        (torch.float64, r"inputs of 'torch.float32', 'torch.float64', expected the same type"),
    ],
)
def test_sources_that_differ_are_refused(other, message: str) -> None:
    x, labels, classes = BOTH[0].inputs[:3], torch.tensor([0, 1, 0]), ("no", "yes")
    if other == "sparse":
        from scipy.sparse import csr_matrix

        second = Labelled(Sparse(csr_matrix(x.numpy())), labels, classes)
    elif isinstance(other, tuple):
        second = Labelled(x, labels, other)
    elif isinstance(other, torch.dtype):
        second = Labelled(x.to(other), labels, classes)
    else:
        values = other.shape[1] == 2
        second = Labelled(x, other) if values else Labelled(other, labels, classes)
    with pytest.raises(InputError, match=message):
        join([BOTH[0], second])


def test_a_wrong_domain_and_no_source_are_refused() -> None:
    with pytest.raises(InputError, match=r"domain of torch.float32 \(3,\) from 0.0, expected int64 \(3,\) from 0"):
        Labelled(torch.zeros(3, 2), torch.tensor([0, 1, 0]), domain=torch.zeros(3))
    with pytest.raises(InputError, match=r"join\(\) got no source"):
        join([])


@pytest.mark.parametrize(("tells", "outputs"), [("each", 3), ("target", 1)])
def test_the_critic_has_an_output_per_domain_or_two(tells: str, outputs: int) -> None:
    method = DANN(discriminates=tells)
    method.prepare(Model(Classification(("no", "yes")), (6,)), TARGET, sources=2)
    assert method.domain_critic[-1].out_features == outputs
    features = torch.randn(5, method.model.width)
    shares = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    for parameter in method.domain_critic.parameters():
        torch.nn.init.zeros_(parameter)
    assert method.domain_loss(features, 3, 1.0, shares).item() == pytest.approx(math.log(max(2, outputs)))


def test_the_loss_of_several_sources_is_the_cross_entropy_of_the_domain() -> None:
    logits = torch.randn(4, 3)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([1, 0, 2, 2]))
    torch.testing.assert_close(several_loss(logits, torch.tensor([[0.0, 1.0], [1.0, 0.0]])), expected)


def test_batches_carry_the_domain_and_mixed_images_its_shares() -> None:
    images = [Labelled(torch.full((8, 1, 8, 8), 100 * i, dtype=torch.uint8), torch.arange(8) % 2) for i in (0, 1)]
    source, task = join(images), Classification(("0", "1"))
    for policy in (None, Photometric(mixup=1.0)):
        method = DANN()
        method.prepare(Model(task, (1, 8, 8)), source.unlabelled(), sources=2)
        loop = Loop(steps=2, batch=16, hardware=Hardware(), randomize=policy)
        batch, _ = Trainer(method, source, source.unlabelled(), loop, task.move, task.mix).batches()
        assert batch.domain.sum(0).tolist() == pytest.approx([8, 8], abs=8 if policy else 0)
        assert batch.domain.sum(1).tolist() == pytest.approx([1] * 16)
        if policy is None:
            assert torch.equal(batch.domain.argmax(1), (batch.clean.flatten(1).mean(1) > 0.1).long())


@pytest.mark.parametrize(("tells", "chance"), [("each", math.log(3)), ("target", math.log(2))])
def test_the_critic_learns_the_domain_unless_the_features_are_adversarial(tells: str, chance: float) -> None:
    losses = {}
    for weight in (0.0, 1.0):
        adapt = DANN(discriminates=tells, weight=weight, rate=3e-3)
        run = Route(adapt=adapt).run(join(BOTH), TARGET, budget=Budget(steps=200, batch=32, hardware=Hardware()))
        losses[weight] = run.history["train"][-1]["domain"]
        assert run.model.evaluate(part(0.0, 3))["accuracy"] > 0.85
    assert losses[0.0] < 0.75 * chance
    assert losses[1.0] > 0.9 * chance


def folder(path, levels: dict[str, int], seed: int, size=(16, 16)):
    for i in range(20):
        for name, level in levels.items():
            save(path / name / f"{i}.png", picture(seed + i, level=level, size=size))
    return path


def test_the_command_line_takes_several_sources(synth2real, tmp_path, classes, photos) -> None:
    second = folder(tmp_path / "b", {"dark": 90, "light": 170}, 500)

    def train(*sources):
        options = ("--target", photos, "--out", tmp_path / "run", "--steps", 3, "--adapt", "dann")
        return synth2real("train", *sources, *options)

    other = folder(tmp_path / "c", {"dark": 90, "lighter": 170}, 0)
    refused(train(classes, second, other), f"{other}: has the classes 'dark', 'lighter'", str(classes), "'light'")
    large = folder(tmp_path / "d", {"dark": 90, "light": 170}, 0, size=(20, 20))
    refused(train(classes, large), f"{large}: has inputs of 1x20x20", "of 1x16x16", "--size")
    refused(train(classes, "digits"), "digits: is a simulator among 2 sources", "synth2real render digits")
    code, _, err = train(classes, second)
    assert code == 0, err
    assert f"source {classes} + {second} (80 samples)" in err
    kept = yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())
    assert (kept["source"], kept["more"]) == (str(classes), [str(second)])
    assert synth2real("predict", tmp_path / "run", photos, "--out", tmp_path / "p.csv")[0] == 0
