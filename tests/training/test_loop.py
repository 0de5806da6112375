"""The training loop: the networks that an update trains, what happens between two updates, and when it stops."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import picture, save
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.reading import ImageFiles
from synth2real.data.reading.pixels import Conversion
from synth2real.errors import InputError, TrainingDiverged
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update

SOURCE = Labelled(torch.ones(8, 2), torch.tensor([0, 1] * 4))
TARGET = Unlabelled(torch.ones(6, 2))


class Pair(Algorithm):
    """Two numbers; the second is trained on what the first has become within the same step."""

    def __init__(self, bad_at: int | None = None) -> None:
        self.first, self.second = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        self.networks = {"first": self.first, "second": self.second}
        self.bad_at = bad_at
        self.seen: list[tuple[float, float]] = []

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(network.parameters(), lr=0.1)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        before = self.first.weight.detach().clone()
        both = (self.first(source.x) + self.second(source.x)).sum()
        yield Update(of=(self.first,), up=(1.0, both))
        after = self.first.weight.detach().clone()
        self.seen.append((float((after - before).abs().sum()), float(self.second.weight.detach().sum())))
        value = float("nan") if progress.step == self.bad_at else 1.0
        yield Update(of=(self.second,), down=(0.5, -value * self.second(target.x).sum()), idle=(1.0, torch.tensor(0.0)))


def train(algorithm: Pair, steps: int = 3) -> Trainer:
    trainer = Trainer(algorithm, SOURCE, TARGET, Loop(steps=steps, batch=4, hardware=Hardware(), report_every=1))
    trainer.run()
    return trainer


def test_an_update_trains_only_what_it_names_and_the_next_sees_its_step() -> None:
    algorithm = Pair()
    second = float(algorithm.second.weight.detach().sum())
    train(algorithm, steps=1)
    moved, second_then = algorithm.seen[0]
    assert moved == pytest.approx(0.1 * 4 * 2)  # four samples of ones, two weights
    assert second_then == second  # untouched by the first update, though it is in its loss
    assert float(algorithm.second.weight.detach().sum()) - second == pytest.approx(0.1 * 0.5 * 4 * 2, abs=1e-6)


def test_a_term_that_is_not_finite_stops_the_training_and_keeps_the_weights() -> None:
    algorithm = Pair(bad_at=2)
    with pytest.raises(TrainingDiverged, match="stopped at step 3: the term 'down' is nan") as raised:
        train(algorithm, steps=5)
    assert (raised.value.step, raised.value.term) == (3, "down")
    assert all(p.isfinite().all() for network in algorithm.networks.values() for p in network.parameters())


def test_training_leaves_the_users_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(_untouched())
    assert torch.equal(torch.rand(3), expected)


def _untouched() -> Pair:
    with torch.random.fork_rng([]):
        return Pair()


def test_reports_are_means_since_the_last_one() -> None:
    rows: list[tuple[int, dict[str, float]]] = []
    algorithm = _untouched()
    Trainer(algorithm, SOURCE, TARGET, Loop(steps=5, batch=4, hardware=Hardware(), report_every=2)).run(
        lambda step, terms: rows.append((step, terms))
    )
    assert [step for step, _ in rows] == [2, 4, 5]
    assert set(rows[0][1]) == {"up", "down", "idle"}


def test_an_algorithm_that_stops_early_reports_its_last_steps() -> None:
    class Short(Pair):
        @property
        def finished(self) -> bool:
            return len(self.seen) == 3

    rows: list[tuple[int, dict[str, float]]] = []
    with torch.random.fork_rng([]):
        algorithm = Short()
    Trainer(algorithm, SOURCE, TARGET, Loop(steps=9, batch=4, hardware=Hardware(), report_every=2)).run(
        lambda step, terms: rows.append((step, terms))
    )
    assert [step for step, _ in rows] == [2, 3]


class Seldom(Pair):
    """Reports one of its terms at every second step."""

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        often = (0.0, torch.tensor(1.0))
        terms = {"often": often, "seldom": (0.0, torch.tensor(4.0))} if progress.step % 2 else {"often": often}
        yield Update(of=(self.first,), up=(1.0, self.first(source.x).sum()), **terms)


def test_a_term_is_averaged_over_the_steps_that_report_it() -> None:
    rows: list[dict[str, float]] = []
    loop = Loop(steps=4, batch=4, hardware=Hardware(), report_every=4)
    Trainer(Seldom(), SOURCE, TARGET, loop).run(lambda step, terms: rows.append(terms))
    assert (rows[0]["often"], rows[0]["seldom"]) == (1.0, 4.0)


def test_after_step_is_called_once_per_step_after_its_last_update() -> None:
    class Counted(Pair):
        def after_step(self, progress: Progress) -> None:
            self.steps = [*getattr(self, "steps", []), (progress.step, len(self.seen))]

    with torch.random.fork_rng([]):
        algorithm = Counted()
    train(algorithm, steps=3)
    assert algorithm.steps == [(0, 1), (1, 2), (2, 3)]


class Drawing(Pair):
    """Draws numbers as dropout does, and is the randomization that draws its own."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout: list[torch.Tensor] = []
        self.randomization: list[torch.Tensor] = []

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        self.dropout.append(torch.rand(4))
        yield Update(of=(self.first,), up=(1.0, self.first.weight.sum()))

    def draw(self, x: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, None]:
        self.randomization.append(torch.rand(4, generator=generator))
        return x, None

    def mix(self, x: torch.Tensor, generator: torch.Generator) -> None:
        return None


def test_dropout_and_randomization_draw_different_numbers() -> None:
    with torch.random.fork_rng([]):
        algorithm = Drawing()
    images = Labelled(torch.zeros(8, 1, 2, 2), torch.zeros(8).long())
    loop = Loop(steps=3, batch=4, hardware=Hardware(), randomize=algorithm)
    Trainer(algorithm, images, images.unlabelled(), loop).run()
    drawn = torch.stack([*algorithm.dropout, *algorithm.randomization])  # each step: source and target randomized
    assert len(drawn.unique(dim=0)) == len(drawn) == 9


def test_each_step_is_counted() -> None:
    seen: list[tuple[int, int]] = []
    loop = Loop(steps=3, batch=4, hardware=Hardware(), on_step=lambda step, steps: seen.append((step, steps)))
    Trainer(_untouched(), SOURCE, TARGET, loop).run()
    assert seen == [(1, 3), (2, 3), (3, 3)]


class Fit(Pair):
    """Fits the sources with two networks, by two updates a step: the second sees what the first has become."""

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        yield Update(of=(self.first,), fit=(1.0, F.mse_loss(self.first(source.x)[:, 0], source.y.float())))
        both = self.first(source.x).detach() + self.second(source.x)
        yield Update(of=(self.second,), rest=(2.0, F.mse_loss(both[:, 0], source.y.float())))


def fitted(parts: int, batch: int = 6) -> tuple[torch.Tensor, list[dict[str, float]]]:
    generator = torch.Generator().manual_seed(0)
    source = Labelled(torch.randn(8, 2, generator=generator), torch.tensor([0, 1] * 4))
    torch.manual_seed(0)
    algorithm, rows = Fit(), []
    loop = Loop(steps=5, batch=batch, hardware=Hardware(), report_every=1, accumulate=parts)
    Trainer(algorithm, source, TARGET, loop).run(lambda step, terms: rows.append(terms))
    return torch.cat([algorithm.first.weight, algorithm.second.weight]).detach(), rows


@pytest.mark.parametrize("parts", [2, 3, 4, 6])
def test_gradients_of_parts_add_up_to_those_of_the_batch(parts: int) -> None:
    """Also of parts of different sizes, and of updates that take turns within a step."""
    (expected, whole), (found, rows) = fitted(1), fitted(parts)
    assert torch.allclose(found, expected, atol=1e-6)
    for one, other in zip(rows, whole, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_parts_of_a_batch_that_are_too_small_are_refused() -> None:
    for parts in (0, 7):
        with pytest.raises(InputError, match=f"accumulate is {parts}, expected 1 to 6 parts of a batch of 6"):
            fitted(parts)

    class Statistics(Pair):
        least_batch = 3

    for parts, message in (
        (2, r"batch is 5 in 2 parts .--accumulate., but .*Take fewer"),
        (1, r"batch is 2, .*Increase"),
    ):
        loop = Loop(steps=1, batch=5 if parts > 1 else 2, hardware=Hardware(), accumulate=parts)
        with pytest.raises(InputError, match=message):
            Trainer(Statistics(), SOURCE, TARGET, loop)


def test_a_method_whose_updates_depend_on_the_samples_cannot_accumulate() -> None:
    class Fickle(Pair):
        def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
            assert target.index is not None
            of = self.first if 0 in target.index.tolist() else self.second
            yield Update(of=(of,), up=(1.0, of(source.x).sum()))

    loop = Loop(steps=1, batch=6, hardware=Hardware(), accumulate=2)
    with pytest.raises(InputError, match=r"other updates for one part of a batch than for another.*--accumulate"):
        Trainer(Fickle(), SOURCE, TARGET, loop).run()


def test_the_speed_of_a_training_is_known_with_the_share_of_waiting() -> None:
    class Slow:
        shape = torch.Size((6, 2))

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
            time.sleep(0.02)
            return torch.ones(len(index), 2)

    speed = train(Pair()).speed
    assert speed.steps_per_second > 0
    assert 0 <= speed.waiting <= 1
    trainer = Trainer(Pair(), SOURCE, Unlabelled(Slow()), Loop(steps=3, batch=4, hardware=Hardware()))
    trainer.run()
    assert trainer.speed.waiting > 0.2


def test_the_error_of_a_vanished_image_names_it_and_leaves_no_thread(tmp_path) -> None:
    for i in range(6):
        save(tmp_path / f"{i}.png", picture(i, (2, 1), level=128))
    target = Unlabelled(ImageFiles([tmp_path / f"{i}.png" for i in range(6)], Conversion((2, 1), 1)))
    (tmp_path / "3.png").unlink()

    class Looks(Pair):
        def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
            yield Update(of=(self.first,), up=(1.0, self.first(target.x.flatten(1)).sum()))

    with pytest.raises(InputError, match=r"3\.png: cannot be read any more"):
        Trainer(Looks(), None, target, Loop(steps=3, batch=4, hardware=Hardware())).run()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")] == []
