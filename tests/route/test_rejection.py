"""A route leaves out the refined images whose label has moved farthest, and says so."""

import json

import pytest
import torch
from torch import Tensor

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.refine import Histogram
from synth2real.refine.base import ImageMapping
from synth2real.refine.displacement import Displacement
from synth2real.route.rejection import keep_displacement, notes_of, read_displacement
from synth2real.route.route import Budget, Route
from synth2real.route.run_folder import RunFolder, train
from synth2real.settings import settings
from synth2real.tasks import Classification
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Report


@settings
class Mirror(ImageMapping):
    """Turns images with a bright corner by half a turn, which exchanges the classes of `halves`."""

    name = "mirror"

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        pass

    def refine(self, x: Tensor) -> Tensor:
        return torch.where(x[:, :, :1, :1] > 0.5, x.flip(2), x)


def halves(count: int = 40) -> Labelled:
    """Images (N, 1, 12, 12) whose upper (class 0) or lower half is bright. Every fourth one has a bright corner."""
    labels = torch.arange(count) % 2
    x = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.2
    x[labels == 0, :, :6] += 0.3
    x[labels == 1, :, 6:] += 0.3
    x[::4, :, 0, 0] = x[1::4, :, 0, 0] = 0
    x[::8, :, 0, 0] = x[1::8, :, 0, 0] = 1
    return Labelled((x * 255).to(torch.uint8), labels, ("up", "down"))


BUDGET = Budget(steps=40, batch=16, hardware=Hardware())


def test_a_route_trains_without_the_images_that_its_refiner_displaces() -> None:
    source = halves()
    turned = torch.tensor([i % 8 in (0, 1) for i in range(40)])
    run = Route(refine=Mirror(reject=0.25)).run(source, source.unlabelled(), budget=BUDGET)
    assert run.displacement is not None
    assert run.displacement.measure.startswith("total variation distance")
    assert run.displacement.rejected.tolist() == turned.nonzero().flatten().tolist()
    assert run.displacement.scores[turned].min() > 10 * run.displacement.scores[~turned].max()
    assert run.refined is not None
    assert (len(run.rendered), len(run.refined), len(run.trained_on)) == (40, 40, 30)
    assert torch.equal(run.trained_on.labels, source.labels[~turned])
    assert "left out 10 of 40 refined images" in run.notes[0]


def test_without_a_share_nothing_is_judged_and_nothing_left_out() -> None:
    source = halves(12)
    for refine in (None, Mirror()):
        run = Route(refine=refine).run(source, source.unlabelled(), budget=Budget(steps=2, hardware=Hardware()))
        assert run.displacement is None
        assert len(run.trained_on) == 12


def test_given_columns_do_not_reach_the_judge() -> None:
    source = halves(12)
    data = [
        kind(source.inputs, *labels, given=torch.rand(12, 1), given_columns=("pitch",))
        for kind, labels in ((Labelled, (source.labels, source.classes)), (Unlabelled, ()))
    ]
    budget = Budget(steps=2, hardware=Hardware())
    run = Route(refine=Mirror(reject=0.1)).run(*data, budget=budget)  # type: ignore[arg-type]
    assert run.displacement is not None
    assert run.model.given_columns == ("pitch",)


def test_a_class_that_is_lost_is_named() -> None:
    found = Displacement(torch.tensor([0.1, 0.9, 0.2, 0.8]).double(), "edges", 0.5)
    notes = notes_of(found, Labelled(torch.rand(4, 1, 4, 4), torch.arange(4) % 2, ("up", "down")))
    assert "no refined image of the class(es) down is left" in notes[1]
    assert notes_of(None, halves(4)) == []


def test_a_run_folder_keeps_the_displacements(tmp_path) -> None:
    source = halves()
    folder = RunFolder(tmp_path / "run", {})
    route = Route(refine=Mirror(reject=0.25))
    run = train(folder, route, source, source.unlabelled(), task=Classification.of(source), budget=BUDGET)
    kept = read_displacement(tmp_path / "run")
    assert kept is not None
    assert run.displacement is not None
    assert torch.equal(kept.scores, run.displacement.scores)
    assert (kept.measure, kept.share) == (run.displacement.measure, 0.25)
    assert json.loads((tmp_path / "run" / "displacement.json").read_text())["rejected"] == 10
    assert "left out 10 of 40" in (tmp_path / "run" / "notes.txt").read_text()


def test_a_damaged_table_is_refused(tmp_path) -> None:
    assert read_displacement(tmp_path) is None
    keep_displacement(tmp_path, Displacement(torch.rand(4).double(), "edges", 0.5))
    assert read_displacement(tmp_path) is not None
    for text in ("{", "{}", "[]", '{"scores": ["a"], "measure": "", "share": 0}'):
        (tmp_path / "displacement.json").write_text(text)
        with pytest.raises(InputError, match=r"displacement\.json: is damaged .* Train again with --overwrite"):
            read_displacement(tmp_path)


def test_train_takes_the_share_as_a_setting(synth2real, tmp_path, classes, photos) -> None:
    arguments = ("--refine", "style", "--set", "refine.reject=0.2", "--steps", 4, "--target", photos)
    code, _, err = synth2real("train", classes, *arguments, "--out", tmp_path / "run")
    assert code == 0, err
    assert "warning: left out 8 of 40 refined images" in err
    assert Histogram().reject == 0
    code, _, err = synth2real("report", tmp_path / "run")
    assert code == 0, err
