"""The table of refiners, on tiny images of classes and of points."""

import functools

import pytest
import torch

from benchmarks.lib.points import PointProtocol
from benchmarks.lib.protocols import Protocol
from benchmarks.quality.methods import refiners as benchmark
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.route.realism import machine_turing_test
from synth2real.tasks import Keypoints

QUICK = ("--steps", "2", "--seeds", "2", "--n", "40", "--methods", "histogram", "style")


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)


def classes() -> Protocol:
    source, dev = (Labelled(images(n), torch.arange(n) % 2, ("0", "1")) for n in (40, 10))
    return Protocol("classes", source, Unlabelled(images(36)), dev, dev)


def points() -> PointProtocol:
    source, dev = (Labelled(images(n), 7 * torch.rand(n, 2), columns=("x", "y")) for n in (40, 10))
    part = (dev, torch.zeros(10))
    return PointProtocol("points", source, Keypoints(("x", "y"), (8, 8)), Unlabelled(images(36)), part, part, 2.0)


@pytest.mark.parametrize(("protocol", "regression"), [(classes, False), (points, True)])
def test_the_table_has_a_row_for_the_rendered_images_and_one_for_each_refiner(
    monkeypatch, capsys, protocol, regression
) -> None:
    monkeypatch.setattr(benchmark, "PROTOCOLS", {"eyes": protocol})
    monkeypatch.setattr(benchmark, "machine_turing_test", functools.partial(machine_turing_test, steps=2))
    assert benchmark.main(QUICK) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert head == ["refiner", "C2ST", "KID", "displacement", "error"]
    assert [row[0] for row in rows] == ["none", "histogram", "style"]
    assert all(0 <= float(row[1]) <= 1 and row[5] == "±" for row in rows)
    if regression:
        assert float(rows[0][3]) == 0 < float(rows[2][3])
    else:
        assert {row[3] for row in rows} == {"-"}
