import io
import json
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from helpers import below, contents, killed_at
from skips import optional
from synth2real import load_unlabelled
from synth2real.errors import InputError
from synth2real.simulate import Digits, Eyes, Normal, load_parameters, render, writers


@pytest.mark.parametrize("channels", [1, 3])
def test_folder_holds_what_sample_gives(tmp_path, channels):
    digits = Digits(channels=channels, ranges={"blur": 0.3})
    render(digits, 230, tmp_path / "a" / "out", seed=4)
    rows = [json.loads(line) for line in (tmp_path / "a" / "out" / "metadata.jsonl").read_text().splitlines()]
    made = digits.sample(230, 4)
    assert [row["file_name"] for row in rows] == [f"{i:06d}.png" for i in range(230)]
    assert [row["label"] for row in rows] == made.labels["label"].tolist()
    for i in (0, 199, 229):
        pixels = np.asarray(Image.open(tmp_path / "a" / "out" / f"{i:06d}.png"))
        expected = made.images[i].movedim(0, -1).squeeze(-1).numpy()
        assert np.array_equal(pixels, expected)
    kept = load_parameters(tmp_path / "a" / "out" / "parameters.yaml")
    assert replace(digits, **kept).sample(5, 0).images.equal(digits.sample(5, 0).images)


def test_the_parameters_of_a_folder_render_the_same_joint_distribution(tmp_path):
    ranges = {"rotation": Normal(9, 10), "blur": {"quantiles": [0, 0.2, 1]}}
    digits = Digits(size=(12, 12), ranges=ranges, correlations={"blur ~ rotation": 0.9})
    render(digits, 3, tmp_path, seed=4)
    kept = load_parameters(tmp_path / "parameters.yaml")
    assert (kept["ranges"]["rotation"], kept["correlations"]) == (Normal(9, 10), {"rotation ~ blur": 0.9})
    assert Digits(size=(12, 12), **kept).sample(50, 1).images.equal(digits.sample(50, 1).images)


def test_a_folder_with_files_is_refused_unless_overwritten(tmp_path):
    render(Digits(), 5, tmp_path, seed=0)
    with pytest.raises(InputError, match="the folder is not empty, expected a new or empty folder"):
        render(Digits(), 3, tmp_path, seed=0)
    (tmp_path / "000001-mine.png").touch()
    render(Digits(), 3, tmp_path, seed=0, overwrite=True)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "000000.png",
        "000001-mine.png",
        "000001.png",
        "000002.png",
    ]
    with pytest.raises(InputError, match="is a file, expected a folder"):
        render(Digits(), 3, tmp_path / "000000.png", seed=0)


@pytest.mark.parametrize("format", ["folder", "webdataset"])
@pytest.mark.parametrize(
    "files",
    [
        {"model.yaml": "a", "model.safetensors": "b"},
        {"000000.png": "a"},
        {"parameters.yaml": "height: 1"},
        {"metadata.jsonl": '{"file_name": "000000.png"}'},
        {"parameters.yaml": "height: 1", "metadata.jsonl": '{"file_name": "mine.png"}'},
    ],
)
def test_a_folder_that_render_did_not_write_is_never_overwritten(tmp_path, files, format):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(
        InputError, match=r"`render` did not write, but --overwrite replaces only .*Choose another --out"
    ):
        render(Digits(), 3, tmp_path, seed=0, overwrite=True, format=format)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("format", ["folder", "webdataset"])
def test_what_a_stopped_render_left_can_be_overwritten(tmp_path, monkeypatch, format):
    def stop(self, values, generator):
        raise InputError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(Digits, "render", stop)
        with pytest.raises(InputError, match="stopped"):
            render(Digits(), 3, tmp_path, seed=0, format=format)
    render(Digits(), 3, tmp_path, seed=0, overwrite=True)
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert not list(tmp_path.glob("*.tar"))


def test_nothing_is_written_or_removed_if_the_count_is_wrong(tmp_path):
    with pytest.raises(InputError, match="cannot render 0 images"):
        render(Digits(), 0, tmp_path / "new", seed=0)
    assert not (tmp_path / "new").exists()


def test_shards_hold_images_labels_and_masks(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "SHARD", 10)
    eyes = Eyes(size=(24, 32), ranges={"closed": 0.5})
    render(eyes, 25, tmp_path, seed=3, masks=True, format="webdataset")
    assert sorted(p.name for p in tmp_path.glob("*.tar")) == [f"shard-{i:06d}.tar" for i in range(3)]
    assert (tmp_path / "parameters.yaml").is_file()
    made = eyes.sample(25, 3)
    with tarfile.open(tmp_path / "shard-000002.tar") as tar:
        names = tar.getnames()
        assert names[:3] == ["000020.png", "000020.json", "000020.mask.png"]
        assert len(names) == 15
        pixels = np.asarray(Image.open(io.BytesIO(tar.extractfile("000023.png").read())))
        row = json.loads(tar.extractfile("000023.json").read())
    assert np.array_equal(pixels, made.images[23, 0].numpy())
    assert row["pitch"] == made.labels["gaze"][23, 0].item()
    render(Digits(), 3, tmp_path, seed=0, overwrite=True, format="webdataset")
    assert len(list(tmp_path.glob("*.tar"))) == 1
    with tarfile.open(tmp_path / "shard-000000.tar") as tar:
        assert json.loads(tar.extractfile("000001.json").read()) == {
            "label": int(Digits().sample(2, 0).labels["label"][1])
        }


def test_parquet_is_one_file_of_images_and_columns(tmp_path, monkeypatch):
    parquet = optional("pyarrow.parquet", "parquet")
    monkeypatch.setattr(writers, "SHARD", 10)
    eyes = Eyes(size=(24, 32), ranges={"closed": 0.5})
    render(eyes, 25, tmp_path / "a" / "eyes.parquet", seed=3, masks=True)
    table = parquet.read_table(tmp_path / "a" / "eyes.parquet").to_pylist()
    made = eyes.sample(25, 3)
    for i in (0, 24):
        pixels = np.asarray(Image.open(io.BytesIO(table[i]["image"]["bytes"])))
        assert np.array_equal(pixels, made.images[i, 0].numpy())
        assert table[i]["mask"]["path"] == f"{i:06d}_mask.png"
        assert table[i]["yaw"] == made.labels["gaze"][i, 1].item()
    assert [row["iris_x"] is None for row in table] == made.labels["iris"][:, 0].isnan().tolist()
    with pytest.raises(InputError, match=r"eyes\.parquet: exists already"):
        render(eyes, 2, tmp_path / "a" / "eyes.parquet", seed=3)
    render(Digits(), 2, tmp_path / "a" / "eyes.parquet", seed=0, overwrite=True)
    assert parquet.read_table(tmp_path / "a" / "eyes.parquet").column_names == ["image", "label"]
    (tmp_path / "text.parquet").write_text("mine")
    parquet.write_table(parquet.read_table(tmp_path / "a" / "eyes.parquet").replace_schema_metadata({}), tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "other.parquet")
    for name in ("text", "other"):
        before = (tmp_path / f"{name}.parquet").read_bytes()
        with pytest.raises(InputError, match=rf"{name}\.parquet: found a file that `render` did not write"):
            render(Digits(), 2, tmp_path / f"{name}.parquet", seed=0, overwrite=True)
        assert (tmp_path / f"{name}.parquet").read_bytes() == before


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow, which is not installed.*synth2real\[parquet\]"):
        render(Digits(), 2, tmp_path / "x.parquet", seed=0)


def test_masks_that_a_simulator_does_not_have_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"--masks: simulator digits renders no masks\. Remove --masks"):
        render(Digits(), 2, tmp_path / "x", seed=0, masks=True)
    assert not (tmp_path / "x").exists()


# Interrupted


def killed(monkeypatch, after, *arguments, **more):
    """Render, and stop when `after` files have been written."""
    with killed_at(monkeypatch, "replace", after):
        render(*arguments, **more)


EYES = Eyes(size=(16, 20))


@pytest.mark.parametrize(
    ("after", "format"), [(3, "folder"), (10, "folder"), (437, "folder"), (4, "webdataset"), (8, "webdataset")]
)
def test_an_interrupted_render_goes_on_with_the_same_bits(tmp_path, monkeypatch, after, format):
    monkeypatch.setattr(writers, "SHARD", 30)
    arguments = {"seed": 3, "masks": True, "format": format}
    render(EYES, 220, tmp_path / "whole", **arguments)
    killed(monkeypatch, after, EYES, 220, tmp_path / "out", **arguments)
    with pytest.raises(InputError, match=r"out: is incomplete: `synth2real render` was stopped .* with --resume"):
        load_unlabelled(tmp_path / "out")
    assert not {"metadata.jsonl", "parameters.yaml"} & set(below(tmp_path / "out"))
    with pytest.raises(InputError, match=r"is incomplete: .* Pass --resume to go on, or --overwrite to begin anew"):
        render(EYES, 220, tmp_path / "out", **arguments)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("[0s]*")}
    render(EYES, 220, tmp_path / "out", **arguments, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    again = [path for path, time in kept.items() if path.stat().st_mtime_ns != time]
    assert len(again) <= 2, "only an image without its row is rendered again"
    with pytest.raises(InputError, match="nothing to --resume"):
        render(EYES, 220, tmp_path / "out", **arguments, resume=True)


def test_a_missing_image_is_rendered_again(tmp_path, monkeypatch):
    render(EYES, 20, tmp_path / "whole", seed=0)
    killed(monkeypatch, 15, EYES, 20, tmp_path / "out", seed=0)
    (tmp_path / "out" / "000004.png").unlink()
    render(EYES, 20, tmp_path / "out", seed=0, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 30}, "begun with n 20, but --resume found 30"),
        ({"n": 10}, "begun with n 20, but --resume found 10"),
        ({"seed": 1}, "begun with seed 0, but --resume found 1"),
        ({"masks": True}, "begun with masks False"),
        ({"format": "webdataset"}, "begun with format folder"),
        ({"simulator": Eyes(size=(20, 20))}, "begun with simulator"),
        ({"simulator": Eyes(size=(16, 20), ranges={"closed": 0.5})}, "begun with simulator"),
        ({"simulator": Digits(size=(16, 20))}, "begun with simulator"),
    ],
)
def test_a_render_is_not_resumed_with_other_arguments(tmp_path, monkeypatch, changed, message):
    arguments = {"simulator": EYES, "n": 20, "out": tmp_path / "out", "seed": 0}
    killed(monkeypatch, 8, **arguments)
    before = contents(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        render(**{**arguments, **changed}, resume=True)
    assert contents(tmp_path / "out") == before
    render(**{**arguments, **changed}, overwrite=True)
    render(**{**arguments, **changed, "out": tmp_path / "new"})
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_an_error_while_an_output_is_replaced_brings_it_back(tmp_path, monkeypatch):
    render(Digits(), 30, tmp_path, seed=0)
    (tmp_path / "notes.md").write_text("mine")
    before = contents(tmp_path)
    killed(monkeypatch, 12, Digits(), 20, tmp_path, seed=1, overwrite=True)
    assert contents(tmp_path) == before


def test_a_parquet_file_appears_whole_and_is_not_resumed(tmp_path, monkeypatch):
    optional("pyarrow", "parquet")
    killed(monkeypatch, 0, Digits(), 20, tmp_path / "a.parquet", seed=0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"a\.parquet: --resume is for folders and shards"):
        render(Digits(), 20, tmp_path / "a.parquet", seed=0, resume=True)
