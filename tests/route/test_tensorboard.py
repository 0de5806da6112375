"""TensorBoard: the log if the package is installed, the message if it is not."""

import json
import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest

from helpers import refused
from skips import optional
from synth2real.cli.console import Watch
from synth2real.route.tensorboard import TensorBoardLog


def test_without_the_package_it_says_what_to_install(synth2real, monkeypatch, tmp_path, classes, photos):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    arguments = ("train", classes, "--target", photos, "--steps", 2, "--out", tmp_path / "run", "--tensorboard")
    refused(synth2real(*arguments), "--tensorboard", "pip install 'synth2real[tensorboard]'")
    assert not (tmp_path / "run").exists()


def test_losses_and_images_are_logged(synth2real, tmp_path, classes, photos):
    optional("tensorboard", "tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    route = ("--refine", "reinhard", "--adapt", "dann", "--steps", 100)
    arguments = ("train", classes, "--target", photos, *route, "--out", tmp_path / "run", "--tensorboard")
    code, _, err = synth2real(*arguments)
    assert code == 0, err
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    assert set(log.Tags()["scalars"]) == {"train/label", "train/domain", "train/confidence on real"}
    assert set(log.Tags()["images"]) == {"synthetic", "refined", "real"}
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    logged = {event.step: event.value for event in log.Scalars("train/label")}
    assert logged == pytest.approx({row["step"]: row["label"] for row in rows if row["stage"] == "train"})
    assert all(event.encoded_image_string.startswith(b"\x89PNG") for event in log.Images("real"))


class Writer:
    """In place of the package's."""

    made: ClassVar[list["Writer"]] = []

    def __init__(self, path):
        self.scalars, self.images, self.closed = [], {}, False
        self.made.append(self)

    def add_scalar(self, name, value, step):
        self.scalars.append((name, step))

    def add_images(self, name, images, step):
        self.images[name] = images

    def close(self):
        self.closed = True


@pytest.fixture
def writers(monkeypatch):
    """Those that a command opens, without the package."""
    made = []
    monkeypatch.setattr(Writer, "made", made)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    return made


def test_what_is_written_is_closed(synth2real, tmp_path, classes, photos, writers):
    arguments = ("train", classes, "--target", photos, "--steps", 2, "--out", tmp_path / "run", "--tensorboard")
    assert synth2real(*arguments)[0] == 0
    assert writers[0].scalars == [("train/label", 2)]
    assert {name: images.shape[1] for name, images in writers[0].images.items()} == {"synthetic": 1, "real": 1}
    assert all(0 <= float(images.min()) <= float(images.max()) <= 1 for images in writers[0].images.values())
    assert writers[0].closed


def test_a_training_that_is_broken_off_keeps_its_curves(synth2real, tmp_path, monkeypatch, classes, photos, writers):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "look", interrupt)  # after the first report
    arguments = ("train", classes, "--target", photos, "--steps", 60, "--out", tmp_path / "run", "--tensorboard")
    assert synth2real(*arguments)[0] == 130
    assert [(writer.scalars, writer.closed) for writer in writers] == [([("train/label", 20)], True)]


def test_a_log_that_was_never_written_to_is_not_made(tmp_path, writers):
    TensorBoardLog(tmp_path / "log").close()
    assert writers == []
