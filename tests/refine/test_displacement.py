"""Label displacement: what has moved is found, a change of tone is not, and the worst share is left out."""

import csv
import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from discs import CLASSES, discs
from helpers import below, contents, dot, dots, killed_at, picture, refused, save
from sharded import png, write_parquet, write_tar
from skips import optional
from synth2real import load, load_unlabelled
from synth2real.data.domains import Labelled, Unlabelled, to_float
from synth2real.data.fitting import Fitting
from synth2real.errors import InputError, RefinementWarning
from synth2real.refine import STAGE, Histogram
from synth2real.refine.base import ImageMapping
from synth2real.refine.displacement import EDGES, Displacement, displaced, measure_of
from synth2real.refine.folder import RefineJob, refine_folder
from synth2real.settings import settings
from synth2real.simulate import Digits
from synth2real.tasks import Classification, Gaze, Keypoints, Regression, Segmentation, Task
from synth2real.training.loop import Loop, Report
from synth2real.training.model import Model


def digits(count: int = 12, channels: int = 1) -> Tensor:
    """(N, C, 24, 24) uint8."""
    return Digits(size=(24, 24), channels=channels).labelled(count, 0).inputs[torch.arange(count)]


@pytest.mark.parametrize(
    "tone", [lambda x: x**2, lambda x: 0.2 + 0.5 * x, lambda x: x**0.5, lambda x: 1 - (1 - x) ** 3]
)
def test_a_change_of_tone_moves_nothing(tone) -> None:
    x = digits() / 255
    assert displaced(x, tone(x)).tolist() == [0] * len(x)
    levels = (tone(x) * 255).round().to(torch.uint8)
    assert displaced(digits(), levels).max() < 0.02  # rounding loses some levels


def test_a_shift_is_displacement_and_a_larger_one_more() -> None:
    x = digits()
    shifts = [displaced(x, x.roll(pixels, 3)) for pixels in (0, 1, 2, 4)]
    assert shifts[0].abs().max() < 1e-12
    assert all((near < far).all() for near, far in pairwise(shifts))
    assert shifts[3].min() > 0.5
    noise = (x.float() + 8 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 255)
    assert (displaced(x, noise.to(torch.uint8)) < shifts[1]).all()


def test_flat_images_are_alike_and_lost_edges_are_not() -> None:
    x = digits(3) / 255
    assert displaced(torch.zeros_like(x), torch.ones_like(x)).tolist() == [0, 0, 0]
    assert displaced(x, torch.zeros_like(x)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_large_images_are_compared_at_a_smaller_size(dtype: torch.dtype) -> None:
    large = digits(3, 3).repeat_interleave(20, 2).repeat_interleave(21, 3)  # 480 by 504
    large = large if dtype == torch.uint8 else large / 255
    texture = large.clone()
    texture[..., ::2] = texture[..., ::2] * 0.9 if dtype != torch.uint8 else (texture[..., ::2] * 0.9).to(dtype)
    assert displaced(large, texture).max() < 0.05, "texture finer than the compared size"
    assert displaced(large, large.roll(40, 3)).min() > 0.3


def answering(monkeypatch, task: Task, answers: list[list[list[float]]]) -> Model:
    """A model whose predictions for one batch after the other are these."""
    model, left = Model(task, (1, 8, 8)), iter(answers)
    monkeypatch.setattr(model, "outputs", lambda inputs: torch.tensor(next(left)))
    monkeypatch.setattr(type(task), "predict", lambda self, outputs: outputs)
    return model


def test_answers_are_compared_in_the_units_of_the_task(monkeypatch) -> None:
    x = torch.rand(2, 1, 8, 8)
    judge = answering(monkeypatch, Classification(("a", "b")), [[[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.8], [0.5, 0.5]]])
    assert displaced(x, x, judge).tolist() == pytest.approx([0.7, 0], abs=1e-6)
    judge = answering(monkeypatch, Regression(("v",), (0.0,), (4.0,)), [[[1.0], [2.0]], [[3.0], [2.0]]])
    assert displaced(x, x, judge).tolist() == pytest.approx([0.5, 0])
    assert "standard deviations" in measure_of(judge)
    judge = answering(monkeypatch, Gaze(), [[[0.0, 0.0], [0.0, 0.1]], [[0.1, 0.0], [0.0, 0.1]]])
    assert displaced(x, x, judge).tolist() == pytest.approx([0.1 * 180 / np.pi, 0], abs=1e-4)
    answers = [[[1.0, 2.0], [3.0, 3.0]], [[4.0, 6.0], [3.0, 3.0]]]
    judge = answering(monkeypatch, Keypoints(("x", "y"), (8, 8)), answers)
    assert displaced(x, x, judge).tolist() == pytest.approx([5, 0])


def test_points_are_measured_in_pixels_of_the_image_and_not_of_the_judge(monkeypatch) -> None:
    answers = [[[1.0, 2.0]], [[4.0, 6.0]]]
    large = torch.rand(1, 3, 16, 16)  # the judge takes grey images of 8 by 8
    judge = answering(monkeypatch, Keypoints(("x", "y"), (8, 8)), answers)
    assert displaced(large, large, judge).tolist() == pytest.approx([10])
    judge = answering(monkeypatch, Keypoints(("x", "y"), (8, 8)), answers)
    whole = Fitting(torch.tensor([[32, 32]]), (16, 16), "stretch")
    assert displaced(large, large, judge, whole).tolist() == pytest.approx([20])
    judge = answering(monkeypatch, Keypoints(("x", "y"), (8, 8)), answers)
    padded = Fitting(torch.tensor([[32, 64]]), (16, 16), "letterbox")
    assert displaced(large, large, judge, padded).tolist() == pytest.approx([40])


def test_images_and_judges_that_do_not_fit_are_refused() -> None:
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(InputError, match="2 images before and 1 after"):
        displaced(x, x[:1])
    with pytest.raises(InputError, match=r"images of \(1, 8, 8\) before and of \(1, 8, 4\) after"):
        displaced(x, x[..., :4])
    with pytest.raises(InputError, match=r"the judge takes features of width 5, expected a model of images.*--judge"):
        displaced(x, x, Model(Classification(("a", "b")), (5,)))
    with pytest.raises(InputError, match=r"the judge takes the given columns pitch beside the image.* without --given"):
        displaced(x, x, Model(Classification(("a", "b")), (1, 8, 8), given_columns=("pitch",)))


# Which images are left out


def test_the_worst_share_is_left_out() -> None:
    found = Displacement(torch.tensor([0.1, 0.9, 0.3, 0.8, 0.2]).double(), EDGES, 0.4)
    assert (found.rejected.tolist(), found.kept.tolist()) == ([1, 3], [0, 2, 4])
    assert found.notes() == [f"left out 2 of 5 refined images, whose label displacement is above 0.3 ({EDGES})"]
    assert found.summary()["rejected"] == 2
    everything = dataclasses.replace(found, share=0.0)
    assert (everything.rejected.tolist(), everything.notes()) == ([], [])


def test_equal_scores_are_treated_alike() -> None:
    same = Displacement(torch.full((10,), 0.5).double(), EDGES, 0.3)
    assert len(same.rejected) == 0
    assert "no refined image was left out" in same.notes()[0]
    tied = Displacement(torch.tensor([0.5, 0.5, 0.9, 0.5, 0.1]).double(), EDGES, 0.6)
    assert tied.rejected.tolist() == [2]
    assert "3 images were to be left out; the others have the same label displacement" in tied.notes()[1]
    tones = displaced(digits() / 255, digits() / 510)
    assert len(Displacement(tones, EDGES, 0.5).rejected) == 0, "rounding is no displacement"
    few = Displacement(torch.tensor([0.1, 0.2]).double(), EDGES, 0.1)
    assert "the share 0.1 of 2 is less than one" in few.notes()[0]


@pytest.mark.parametrize("share", [0.29, 0.07, 0.5])
def test_a_share_of_a_hundred_is_that_many(share: float) -> None:
    assert len(Displacement(torch.arange(100).double(), EDGES, share).rejected) == round(100 * share)


# A refined folder


@settings
class Mover(ImageMapping):
    """Moves bright images by 5 pixels: it displaces their labels."""

    name = "mover"

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> None:
        pass

    def refine(self, x: Tensor) -> Tensor:
        bright = x.mean((1, 2, 3), keepdim=True) > 0.5
        return torch.where(bright, x.roll(5, 3), 0.5 * x + 0.2)


@pytest.fixture
def mover(monkeypatch, photos):
    """Refine with the mover: call it with a source, a folder to write and fields of the job."""
    monkeypatch.setitem(STAGE.built_in, "mover", Mover)

    def run(source: Path, out: Path, share: float = 0.0, **fields):
        job = RefineJob(source, "source", out, Mover(reject=share), load_unlabelled(photos), "photos", **fields)
        return refine_folder(job)

    return run


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "displacement.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_images_that_a_refiner_displaces_have_the_highest_scores(mover, tmp_path, classes) -> None:
    made = mover(classes, tmp_path / "out")
    moved = torch.tensor([name.startswith("light") for name in load_unlabelled(classes).names])
    assert made.displacement.scores[moved].min() > 2 * made.displacement.scores[~moved].max()
    rows = table(tmp_path / "out")
    assert [row["file_name"] for row in rows] == list(load_unlabelled(classes).names)
    assert [float(row["displacement"]) for row in rows] == pytest.approx(made.displacement.scores.tolist(), rel=1e-5)
    assert {row["rejected"] for row in rows} == {"0"}
    found = yaml.safe_load((tmp_path / "out" / "refinement.yaml").read_text())["displacement"]
    assert (found["judge"], found["measure"], found["rejected"], found["notes"]) == (None, EDGES, 0, [])
    assert 0 <= found["median"] <= found["percentile_90"] <= found["worst"]


def test_rejected_images_go_with_their_rows_and_masks(mover, tmp_path) -> None:
    source = tmp_path / "in"
    for i in range(8):
        level = 200 if i < 3 else 60
        save(source / f"{i}.png", picture(i, level=level))
        save(source / f"{i}_mask.png", np.full((16, 16), i, np.uint8))
    rows = [{"file_name": f"{i}.png", "x": i} for i in range(8)]
    (source / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.warns(RefinementWarning, match="left out 3 of 8 refined images, whose label displacement is above"):
        made = mover(source, tmp_path / "out", 3 / 8)
    assert made.images == 5
    data = load(tmp_path / "out", ["x"])
    assert data.labels.flatten().tolist() == [3, 4, 5, 6, 7]
    assert not [name for name in below(tmp_path / "out") if name.startswith(("0", "1", "2"))]
    assert [row["rejected"] for row in table(tmp_path / "out")] == ["1"] * 3 + ["0"] * 5
    found = yaml.safe_load((tmp_path / "out" / "refinement.yaml").read_text())["displacement"]
    assert (found["reject"], found["rejected"]) == (0.375, 3)


def test_the_scores_are_no_label(mover, tmp_path, classes) -> None:
    mover(classes, tmp_path / "out")
    assert load(tmp_path / "out").classes == ("dark", "light")
    with pytest.raises(InputError, match="the label column 'displacement' was requested, but found no metadata"):
        load(tmp_path / "out", ["displacement"])


def test_rejected_rows_of_an_npz_go_from_all_its_arrays(mover, tmp_path) -> None:
    images = np.stack([picture(i, level=200 if i < 2 else 60) for i in range(6)])
    np.savez(tmp_path / "in.npz", images=images, labels=np.arange(6), camera=np.arange(3))
    with pytest.warns(RefinementWarning, match="left out 2 of 6"):
        made = mover(tmp_path / "in.npz", tmp_path / "out", 0.34)
    assert made.images == 4
    with np.load(tmp_path / "out" / "in.npz") as kept:
        assert kept["labels"].tolist() == [2, 3, 4, 5]
        assert (len(kept["images"]), kept["camera"].tolist()) == (4, [0, 1, 2])
    assert [row["rejected"] for row in table(tmp_path / "out")] == ["1", "1", "0", "0", "0", "0"]


@pytest.mark.parametrize("after", [5, 25, 43])
def test_an_interrupted_rejection_goes_on_with_the_same_bits(mover, tmp_path, monkeypatch, classes, after) -> None:
    with pytest.warns(RefinementWarning, match="left out"):
        mover(classes, tmp_path / "whole", 0.25)
    with killed_at(monkeypatch, "replace", after):
        mover(classes, tmp_path / "out", 0.25)
    with pytest.raises(InputError, match="begun with judge"):
        mover(classes, tmp_path / "out", 0.25, resume=True, judge=Model(Classification(("a", "b")), (1, 16, 16)))
    with pytest.warns(RefinementWarning, match="left out"):
        mover(classes, tmp_path / "out", 0.25, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def shards(folder: Path, kind: str) -> Path:
    """Two shards of nine images, of which those from 3 to 5 are bright."""
    images = [png(i, level=200 if 3 <= i < 6 else 60) for i in range(9)]
    for name, part in (("a", range(5)), ("b", range(5, 9))):
        file = folder / f"{name}.{kind}"
        if kind == "parquet":
            write_parquet(file, {"image": [images[i] for i in part], "x": list(map(float, part))}, 3)
        else:
            members = [((f"{i}.png", images[i]), (f"{i}.x", str(i).encode())) for i in part]
            write_tar(file, [one for pair in members for one in pair])
    return folder


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_images_are_left_out_of_shards_with_the_same_bits_after_any_interruption(
    mover, tmp_path, monkeypatch, kind
) -> None:
    if kind == "parquet":
        optional("pyarrow", "parquet")
    source = shards(tmp_path / "in", kind)
    mover(source, tmp_path / "all")
    with pytest.warns(RefinementWarning, match="left out 3 of 9 refined images, whose label displacement is above"):
        assert mover(source, tmp_path / "out", 0.34).images == 6
    assert [row["rejected"] for row in table(tmp_path / "out")] == [*"000111000"]
    every, most = load(tmp_path / "all", ["x"]), load(tmp_path / "out", ["x"])
    kept = torch.tensor([0, 1, 2, 6, 7, 8])
    assert most.labels.flatten().tolist() == kept.tolist()
    assert torch.equal(most.inputs[torch.arange(6)], every.inputs[kept])
    for after in (4, 5, 6, 7):
        with killed_at(monkeypatch, "replace", after):
            mover(source, tmp_path / f"killed-{after}", 0.34)
        with pytest.warns(RefinementWarning, match="left out 3"):
            mover(source, tmp_path / f"killed-{after}", 0.34, resume=True)
        assert contents(tmp_path / f"killed-{after}") == contents(tmp_path / "out")


def test_large_images_are_written_in_small_chunks(tmp_path, monkeypatch, photos) -> None:
    monkeypatch.setattr("synth2real.refine.files.PIXELS", 16 * 16 * 3)
    sizes: list[int] = []
    transform = Histogram.transform
    monkeypatch.setattr(Histogram, "transform", lambda self, x: sizes.append(len(x)) or transform(self, x))
    for i in range(7):
        save(tmp_path / "in" / f"{i}.png", dot(5, 5 + i, (16, 16)))
    job = RefineJob(tmp_path / "in", "in", tmp_path / "out", Histogram(), load_unlabelled(photos), "photos")
    assert refine_folder(job).images == 7
    assert sizes == [3, 3, 1]


# The command


def test_the_command_judges_by_a_run_and_rejects(synth2real, tmp_path, classes, photos, run) -> None:
    arguments = ("refine", classes, "--target", photos, "--method", "style", "--out", tmp_path / "out", "--judge", run)
    code, out, err = synth2real(*arguments, "--reject", 0.2, "--json")
    assert code == 0, err
    assert "warning: left out 8 of 40 refined images, whose label displacement is above" in err
    found = json.loads(out.splitlines()[-1])
    assert (found["images"], found["displacement"]["rejected"]) == (32, 8)
    assert found["displacement"]["measure"].startswith("total variation distance")
    how = yaml.safe_load((tmp_path / "out" / "refinement.yaml").read_text())
    assert (how["displacement"]["judge"], how["settings"]["reject"]) == (str(run), 0.2)
    again = ("refine", classes, "--apply", tmp_path / "out", "--out", tmp_path / "again", "--reject", 0)
    code, _, err = synth2real(*again)
    assert code == 0, err
    assert "refined 40 images" in err
    assert f"({EDGES})" in err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--reject", "1"), ("--reject 1: expected a share of the images, 0 to below 1",)),
        (("--reject", "-0.1"), ("--reject -0.1: expected a share",)),
        (("--reject", "nan"), ("--reject nan: expected a share",)),
        (("--set", "refine.reject=1"), ("refine.reject of 'histogram': found 1, expected less than 1",)),
        (("--reject", "0.1", "--set", "refine.reject=0.2"), ("--reject and --set refine.reject exclude each other",)),
        (("--judge", "nowhere"), ("nowhere: found no model.yaml, expected a run folder",)),
    ],
    ids=lambda value: value[-1],
)
def test_arguments_that_do_not_fit(synth2real, tmp_path, classes, photos, arguments, parts) -> None:
    out = tmp_path / "out"
    refused(
        synth2real("refine", classes, "--target", photos, "--method", "histogram", "--out", out, *arguments), *parts
    )
    assert not out.exists()


def test_a_run_of_features_is_no_judge(synth2real, tmp_path, points, photos) -> None:
    Model(Classification(("a", "b")), (5,)).save(tmp_path / "run")
    arguments = ("--target", photos, "--method", "histogram", "--out", tmp_path / "out", "--judge", tmp_path / "run")
    refused(synth2real("refine", dots(tmp_path / "in"), *arguments), "the judge takes features of width 5", "--judge")
    assert not (tmp_path / "out").exists()


def test_the_masks_of_a_judge_are_compared_by_their_iou(monkeypatch) -> None:
    """A disc moved by a third of its width, one that stays, and an image without any in both."""
    task = Segmentation(CLASSES, (32, 32))
    judge = Model(task, (1, 32, 32)).eval()
    monkeypatch.setattr(type(judge), "outputs", lambda self, x: torch.cat([0.5 - to_float(x), to_float(x) - 0.5], 1))
    before = discs(3, 0, noise=0.0).inputs.clone()
    before[2] = 51
    after = before.clone()
    after[0] = after[0].roll(4, 2)
    found = displaced(before, after, judge)
    assert found[1:].tolist() == [0, 0]
    assert 0.4 < float(found[0]) < 0.7
    assert "intersection over union" in measure_of(judge)
