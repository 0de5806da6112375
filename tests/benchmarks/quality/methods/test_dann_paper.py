"""The DANN paper's protocols on tiny data: every file format is read, and the result is printed."""

import gzip
import struct

import numpy as np
import pytest
from scipy.io import savemat

from benchmarks.quality.methods import dann_paper as benchmark
from helpers import save
from synth2real.errors import InputError

COUNT = 12


def images(side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 255, (COUNT, side, side), dtype=np.uint8)


LABELS = np.arange(COUNT) % 4


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


@pytest.fixture
def data(tmp_path):
    """mnist as idx files (the test part gzipped), svhn as .mat, gtsrb as folders, syn_signs as .npz."""
    for part, stem in (("train", "train"), ("test", "t10k")):
        for what, array in (("images-idx3", images(28)), ("labels-idx1", LABELS.astype(np.uint8))):
            file = tmp_path / "mnist" / f"{stem}-{what}-ubyte"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(idx(array))
            if part == "test":
                file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(idx(array)))
                file.unlink()
        colour = np.repeat(images(32)[..., None], 3, axis=3)
        (tmp_path / "svhn").mkdir(exist_ok=True)
        digits = np.where(LABELS == 0, 10, LABELS)[:, None]
        savemat(tmp_path / "svhn" / f"{part}_32x32.mat", {"X": colour.transpose(1, 2, 3, 0), "y": digits})
        for i, (image, label) in enumerate(zip(images(40), LABELS, strict=True)):
            save(tmp_path / "gtsrb" / part / f"{label:05}" / f"{i}.png", image)
    (tmp_path / "syn_signs").mkdir()
    np.savez(tmp_path / "syn_signs" / "train.npz", images=images(36), labels=[f"{label:05}" for label in LABELS])
    (tmp_path / "mnist_m").mkdir()
    for part in ("train", "test"):
        np.savez(tmp_path / "mnist_m" / f"{part}.npz", images=np.repeat(images(28)[..., None], 3, 3), labels=LABELS)
    return tmp_path


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_file_format_is_read_as_colour_images_of_one_size(data, part) -> None:
    for name, own in (("mnist", images(28)), ("svhn", images(32)), ("gtsrb", images(40))):
        read = benchmark.read(data, name, part, own.shape[1:])
        assert read.inputs.shape == (COUNT, 3, *own.shape[1:])
        assert (
            [int(read.classes[label]) for label in read.labels] == sorted(LABELS)
            if name == "gtsrb"
            else LABELS.tolist()
        )
        if name != "gtsrb":  # whose folders are read one after another
            assert np.array_equal(read.inputs[:, 0].numpy(), own)
    assert benchmark.read(data, "mnist", part, (32, 32)).shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("protocol", "method", "paper"),
    [("mnist-mnistm", "source-only", "0.5225"), ("synsigns-gtsrb", "dann", "0.8865")],
)
def test_a_protocol_ends_with_an_accuracy_beside_the_papers(data, capsys, monkeypatch, protocol, method, paper) -> None:
    monkeypatch.setattr(benchmark, "PAPER_BATCH", 4)
    benchmark.main([protocol, "--data", str(data), "--method", method, "--steps", "1"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{protocol}, {method}, seed 0, 1 steps; ")
    assert second.startswith("accuracy 0.")
    assert second.endswith(f"the paper reports {paper}")


def test_each_protocol_has_the_papers_architecture_and_size() -> None:
    found = {name: (protocol.preset, protocol.size[0]) for name, protocol in benchmark.PROTOCOLS.items()}
    assert found == {
        "mnist-mnistm": ("paper", 28),
        "synnumbers-svhn": ("paper-svhn", 32),
        "svhn-mnist": ("paper-svhn", 32),
        "synsigns-gtsrb": ("paper-gtsrb", 40),
    }


def test_a_missing_file_is_reported_with_its_path(data) -> None:
    with pytest.raises(SystemExit) as end:
        benchmark.main(["synnumbers-svhn", "--data", str(data)])
    assert f"{data / 'syn_numbers'}: found no train part, expected one of: train.npz" in str(end.value)
    assert "train_32x32.mat" in str(end.value)
    assert "train-images-idx3-ubyte" in str(end.value)


def test_damaged_files_are_named(data) -> None:
    file = data / "mnist" / "train-images-idx3-ubyte"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(
        InputError,
        match=r"train-images-idx3-ubyte: found \d+ bytes, expected a header and an array of shape \(12, 28, 28\)",
    ):
        benchmark.read(data, "mnist", "train", (28, 28))
    file.write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"found no idx file of bytes.*Download it again"):
        benchmark.read(data, "mnist", "train", (28, 28))
    savemat(data / "svhn" / "train_32x32.mat", {"A": np.zeros(2)})
    with pytest.raises(InputError, match=r"train_32x32.mat: found the arrays .*A, expected X and y"):
        benchmark.read(data, "svhn", "train", (32, 32))
