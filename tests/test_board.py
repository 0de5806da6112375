"""TensorBoard: what is written where it is installed, what is said where it is not."""

import sys

import pytest

from helpers import refused


def test_without_the_package_it_says_what_to_install(synth2real, monkeypatch, tmp_path, classes, photos):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    arguments = ("train", classes, "--target", photos, "--steps", 2, "--out", tmp_path / "run", "--tensorboard")
    refused(synth2real(*arguments), "--tensorboard", "pip install 'synth2real[tensorboard]'")
    assert not (tmp_path / "run").exists()


def test_losses_and_images_are_logged(synth2real, tmp_path, classes, photos):
    pytest.importorskip("tensorboard", reason="needs the extra synth2real[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = ("train", classes, "--target", photos, "--steps", 2, "--out", tmp_path / "run", "--tensorboard")
    assert synth2real(*arguments)[0] == 0
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    assert log.Tags()["scalars"] == ["train/label"]
    assert set(log.Tags()["images"]) >= {"synthetic/0", "real/0"} or log.Tags()["images"]
