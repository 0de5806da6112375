"""Refined folders: same names, same labels, nothing half-written; and the command that writes them."""

import csv
import dataclasses
import json
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from foreign import labelme, solo
from helpers import below, contents, dots, killed_at, picture, refused, save, truncate
from sharded import tars
from synth2real import load, load_unlabelled
from synth2real.data.reading.pixels import Conversion
from synth2real.errors import InputError, RefinementWarning, TrainingDiverged
from synth2real.refine import METHODS, Histogram, SimGAN, files, load_refiner
from synth2real.refine.folder import RefineJob, check_format, refine_folder
from synth2real.simulate import Digits


def pixels(folder):
    read = load_unlabelled(folder)
    return read.inputs[torch.arange(len(read))]


@pytest.fixture
def refine(synth2real, tmp_path, photos):
    def run(source, *arguments, method="histogram", out="out"):
        return synth2real("refine", source, "--target", photos, "--method", method, "--out", tmp_path / out, *arguments)

    return run


def test_class_folders_keep_their_names_and_classes(refine, tmp_path, classes, photos):
    code, out, err = refine(classes, "--seed", 4)
    assert (code, out) == (0, ""), err
    assert "refined 40 images by histogram" in err
    made = ["config.yaml", "displacement.csv", "provenance.json", "refinement.yaml"]
    made += ["refiner/refiner.safetensors", "refiner/refiner.yaml"]
    assert below(tmp_path / "out") == sorted([*below(classes), *made])
    before, after = load(classes), load(tmp_path / "out")
    assert (after.names, after.classes, after.labels.tolist()) == (before.names, before.classes, before.labels.tolist())
    theirs = pixels(photos)
    assert abs(float(pixels(tmp_path / "out").float().mean() - theirs.float().mean())) < 2
    text = (tmp_path / "out" / "refinement.yaml").read_text()
    how = yaml.safe_load(text)
    assert (how["method"], how["seed"], how["settings"]) == (
        "histogram",
        4,
        {"reject": 0.0, "space": "rgb", "match": "domain"},
    )
    assert how["source"] == {"given": str(classes), "images": 40, "shape": [1, 16, 16]}
    assert how["target"] == {"given": str(photos), "images": 40, "shape": [1, 16, 16]}
    assert set(how["versions"]) >= {"synth2real", "torch", "python"}
    assert str(Path.cwd()) not in text.replace(str(classes), "").replace(str(photos), "")
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "no scratch folder is left"


def test_tables_are_copied_as_they_are_and_points_stay_true(refine, tmp_path):
    source = dots(tmp_path / "in", size=(32, 24))
    code, _, err = refine(source, "--size", "16x16")
    assert code == 0, err
    assert (tmp_path / "out" / "metadata.jsonl").read_bytes() == (source / "metadata.jsonl").read_bytes()
    assert pixels(tmp_path / "out").shape == (40, 1, 32, 24)
    before, after = (load(folder, ["x", "y"]) for folder in (source, tmp_path / "out"))
    assert torch.equal(before.labels, after.labels)


def test_masks_in_a_folder_of_their_own_are_kept_and_not_refined(refine, tmp_path):
    for i in range(3):
        save(tmp_path / "in" / "images" / f"{i}.png", picture(i))
        save(tmp_path / "in" / "masks" / f"{i}.png", np.eye(16, dtype=np.uint8))
    (tmp_path / "in" / "masks" / "classes.yaml").write_text("{0: background, 1: line}")
    code, _, err = refine(tmp_path / "in")
    assert code == 0, err
    assert "refined 3 images" in err
    before, after = (load(tmp_path / folder, label="mask") for folder in ("in", "out"))
    assert after.classes == ("background", "line")
    assert torch.equal(before.labels.tensor, after.labels.tensor)


def test_masks_go_with_their_images(refine, tmp_path):
    for i in range(4):
        save(tmp_path / "in" / "a" / f"{i}.png", picture(i))
        save(tmp_path / "in" / "a" / f"{i}_mask.png", np.full((16, 16), i, np.uint8))
    truncate(tmp_path / "in" / "a" / "3.png")
    code, _, err = refine(tmp_path / "in", "--skip-bad")
    assert code == 0, err
    assert "refined 3 images" in err
    for i in range(3):
        masks = [tmp_path / folder / "a" / f"{i}_mask.png" for folder in ("in", "out")]
        assert masks[0].read_bytes() == masks[1].read_bytes()
    assert not (tmp_path / "out" / "a" / "3_mask.png").exists()


@pytest.mark.parametrize(
    ("shape", "arguments"), [((6, 16, 16), ()), ((6, 20, 24, 3), ("--size", "16x16", "--channels", 1))]
)
def test_an_npz_keeps_its_arrays_its_size_and_its_axes(refine, tmp_path, shape, arguments):
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    np.savez(tmp_path / "in.npz", images=images, labels=np.arange(6), person=np.arange(6) % 2)
    code, _, err = refine(tmp_path / "in.npz", *arguments)
    assert code == 0, err
    with np.load(tmp_path / "out" / "in.npz") as made:
        assert made["images"].dtype == np.uint8
        assert made["images"].shape == (shape if len(shape) == 3 else (*shape[:3], 1))
        assert len(np.unique(made["images"])) > 10
        assert made["labels"].tolist() == list(range(6))
        assert made["person"].tolist() == [0, 1] * 3
    assert load(tmp_path / "out" / "in.npz").classes == tuple("012345")


def test_saved_refiners_are_applied_later(refine, synth2real, tmp_path, classes, photos):
    assert refine(classes, "--steps", 2, "--set", "refine.maps=4", method="cut")[0] == 0
    code, _, err = synth2real("refine", classes, "--apply", tmp_path / "out", "--out", tmp_path / "again")
    assert code == 0, err
    assert torch.equal(pixels(tmp_path / "out"), pixels(tmp_path / "again"))
    how = yaml.safe_load((tmp_path / "again" / "refinement.yaml").read_text())
    assert (how["learnt"], how["target"], how["settings"]["maps"]) == (False, None, 4)
    big = dots(tmp_path / "big", size=(32, 24), count=3)
    code, _, err = synth2real("refine", big, "--apply", tmp_path / "out" / "refiner", "--out", tmp_path / "b")
    assert code == 0, err
    assert pixels(tmp_path / "b").shape == (3, 1, 32, 24)


def test_a_simulator_is_rendered_and_refined(refine, tmp_path):
    code, _, err = refine("digits", "--n", 30, "--seed", 2)
    assert code == 0, err
    data = load(tmp_path / "out")
    assert (len(data), data.shape, data.classes) == (30, (1, 16, 16), tuple("0123456789"))
    assert (tmp_path / "out" / "parameters.yaml").is_file()
    how = yaml.safe_load((tmp_path / "out" / "refinement.yaml").read_text())
    assert (how["source"]["given"], how["source"]["simulator"]["size"]) == ("digits", [16, 16])


def test_a_simulator_is_refined_with_its_preset(refine, tmp_path):
    code, _, err = refine("eyes", "--n", 5, "--preset", "infrared")
    assert code == 0, err
    how = yaml.safe_load((tmp_path / "out" / "refinement.yaml").read_text())
    assert (how["source"]["simulator"]["preset"], how["source"]["images"]) == ("infrared", 5)
    assert pixels(tmp_path / "out").shape == (5, 1, 16, 16)
    refused(
        refine("digits", "--n", 5, "--preset", "infrared", out="no"),
        "--preset infrared: simulator digits has no presets. Remove --preset",
    )


def test_refined_images_can_be_trained_on(refine, synth2real, tmp_path, classes, photos):
    assert refine(classes)[0] == 0
    arguments = ("--target", photos, "--out", tmp_path / "run", "--steps", 3)
    assert synth2real("train", tmp_path / "out", *arguments)[0] == 0


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="needs a machine without a GPU, which adds gradients up in any order"
)
def test_the_same_seed_gives_the_same_files(refine, tmp_path, classes):
    for out in ("a", "b"):
        assert refine(classes, "--steps", 2, "--set", "refine.pretrain_critic=1", method="simgan", out=out)[0] == 0
    assert below(tmp_path / "a") == below(tmp_path / "b")
    for name in set(below(tmp_path / "a")) - {"config.yaml", "provenance.json"}:  # they name the folder
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".pgm"])
def test_formats_are_kept(refine, tmp_path, suffix):
    for i in range(4):
        save(tmp_path / "in" / f"{i}{suffix}", picture(i))
    code, _, err = refine(tmp_path / "in", "--channels", 1)  # WebP knows no grey
    assert code == 0, err
    with Image.open(tmp_path / "out" / f"0{suffix}") as made, Image.open(tmp_path / "in" / f"0{suffix}") as given:
        assert (made.format, made.size) == (given.format, given.size)


def test_unreadable_images_are_left_out_with_their_rows(refine, tmp_path):
    source = dots(tmp_path / "in", count=6)
    truncate(source / "3.png")
    refused(refine(source), f"{source / '3.png'}: unreadable image", "--skip-bad")
    assert not (tmp_path / "out").exists()
    code, _, err = refine(source, "--skip-bad")
    assert code == 0
    assert "warning: skipped 1 unreadable images" in err
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == [f"{i}.png" for i in (0, 1, 2, 4, 5)]
    assert len(load(tmp_path / "out", ["x", "y"])) == 5


def test_rows_of_a_csv_are_left_out_too(refine, tmp_path):
    source = tmp_path / "in"
    for i in range(4):
        save(source / "sub" / f"{i}.png", picture(i))
    (source / "metadata.csv").write_text(
        "file_name,label,note\n" + "".join(f'sub/{i}.png,a,"x, {i}"\n' for i in range(4))
    )
    truncate(source / "sub" / "1.png")
    assert refine(source, "--skip-bad")[0] == 0
    with (tmp_path / "out" / "metadata.csv").open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows == [["file_name", "label", "note"], *([f"sub/{i}.png", "a", f"x, {i}"] for i in (0, 2, 3))]


def test_existing_files_are_replaced_only_with_overwrite(refine, tmp_path, classes):
    assert refine(classes)[0] == 0
    before = below(tmp_path / "out")
    refused(refine(classes), "the folder is not empty", "--overwrite")
    save(tmp_path / "out" / "stale.png", picture(0))
    save(tmp_path / "out" / ".earlier" / "of a run that was killed.png", picture(0))
    assert refine(classes, "--overwrite")[0] == 0
    assert below(tmp_path / "out") == before
    shutil.rmtree(tmp_path / "out")
    save(tmp_path / "out" / "mine.png", picture(0))
    refused(refine(classes, "--overwrite"), "found no refinement.yaml there", "Delete the folder yourself")
    assert below(tmp_path / "out") == ["mine.png"]


def test_a_failure_leaves_what_was_there(refine, tmp_path, classes, monkeypatch):
    assert refine(classes)[0] == 0
    kept = pixels(tmp_path / "out")
    monkeypatch.setattr("synth2real.refine.files._save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    code, _, err = refine(classes, "--overwrite", "--set", "refine.match=image")
    assert (code, "disk full" in err) == (2, True)
    assert torch.equal(pixels(tmp_path / "out"), kept)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_last_good_weights_of_a_divergence_are_kept(refine, tmp_path, classes):
    arguments = ("--set", "refine.rate=1e30", "--set", "refine.maps=4", "--set", "refine.pretrain_critic=0")
    refused(refine(classes, *arguments, method="simgan"), "training stopped at step", "refine.rate", "--apply")
    assert below(tmp_path / "out") == ["refiner/refiner.safetensors", "refiner/refiner.yaml"]
    raw = pixels(classes)
    assert load_refiner(tmp_path / "out").transform(raw).shape == raw.shape
    assert refine(classes, "--overwrite")[0] == 0


def test_warnings_are_shown_and_kept(refine, tmp_path, classes):
    arguments = ("regularisation=1000", "maps=4", "blocks=1", "pretrain_critic=0", "history=0", "steps=24")
    code, _, err = refine(classes, *(x for a in arguments for x in ("--set", f"refine.{a}")), method="simgan")
    assert code == 0
    assert "warning: refine simgan changed pixels by" in err
    (warning,) = yaml.safe_load((tmp_path / "out" / "refinement.yaml").read_text())["warnings"]
    assert re.search("collapsed to the identity", warning)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--method", "simgun"), ("refine 'simgun' is unknown", "simgan, cyclegan, cut, fourier, histogram")),
        (("--set", "adapt.rate=1"), ("--set adapt.rate", "the stage refine only")),
        (
            ("--set", "refine.spce=lab"),
            ("refine 'histogram' has no setting 'spce'", "Did you mean 'space'?"),
        ),
        (("--steps", "4"), ("--steps 4: refine histogram takes no steps",)),
        (("--channels", "2"), ("--channels", "1 (grey) or 3 (colour)")),
        (("--apply", "."), ("--target and --apply: found both, expected one",)),
        (("--size", "8x"), ("--size", "28x28")),
        (("--n", "5"), ("--n 5 sets how many images a simulator renders", "Leave --n out")),
        (("--preset", "infrared"), ("--preset 'infrared' is for simulators",)),
    ],
    ids=lambda value: value[0],
)
def test_arguments_that_do_not_fit(refine, tmp_path, classes, arguments, parts):
    refused(refine(classes, *arguments), *parts)
    assert not list(tmp_path.iterdir())


def test_sources_and_folders_that_cannot_be_used(synth2real, refine, tmp_path, classes, photos):
    arguments = ("--target", photos, "--method", "fourier")
    refused(refine(tmp_path / "none"), "none: expected a folder of images, an .npz, shards, or the name of a simulator")
    inside = shutil.copytree(classes, tmp_path / "in")
    for out in (inside, inside / "refined", tmp_path):
        refused(synth2real("refine", inside, *arguments, "--out", out), "contain one another")
    refused(synth2real("refine", classes, "--out", tmp_path / "o"), "--target and --apply: found neither")
    refused(synth2real("refine", classes, "--target", photos, "--out", tmp_path / "o"), "--method: found none")
    apply = ("--apply", classes, "--out", tmp_path / "o")
    refused(
        synth2real("refine", classes, *apply),
        "found no refiner.yaml",
        "synth2real refine --out",
        "trained with --refine",
    )
    refused(synth2real("refine", classes, *apply, "--method", "cut"), "--method: a saved refiner")
    save(tmp_path / "large" / "0.png", picture(0, size=(20, 20)))
    refused(refine(tmp_path / "large"), "refine histogram: the source has images of (1, 20, 20)", "--size")
    np.savez(tmp_path / "f.npz", features=np.zeros((4, 3), np.float32))
    features = ("--target", tmp_path / "f.npz", "--method", "cut", "--out", tmp_path / "o")
    refused(synth2real("refine", classes, *features), "holds features of shape (3,), expected images")
    assert not (tmp_path / "o").exists()


def test_the_library_writes_the_same(tmp_path, classes, photos):
    target = load_unlabelled(photos)
    job = RefineJob(classes, "classes", tmp_path / "out", Histogram(), target, "photos")
    assert refine_folder(job).images == 40
    with pytest.raises(InputError, match="the folder is not empty"):
        refine_folder(job)
    bad = RefineJob(classes, "classes", tmp_path / "bad", SimGAN(rate=1e30, maps=4), target, "photos")
    with pytest.raises(TrainingDiverged):
        refine_folder(bad)


# Interrupted


def killed(monkeypatch, after, job):
    """Refine, and stop when `after` files have been written."""
    with killed_at(monkeypatch, "replace", after):
        refine_folder(job)


@pytest.mark.parametrize("after", [2, 5, 25, 42])
@pytest.mark.parametrize("source", ["folder", "tables", "simulator"])
def test_an_interrupted_refinement_goes_on_with_the_same_bits(tmp_path, monkeypatch, classes, photos, source, after):
    given = {"folder": classes, "tables": dots(tmp_path / "dots"), "simulator": Digits(size=(16, 16))}[source]
    method = SimGAN(steps=3, maps=4, blocks=1, pretrain_critic=0)
    job = RefineJob(given, source, tmp_path / "whole", method, load_unlabelled(photos), "photos", n=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refine_folder(job)
        method = SimGAN(steps=3, maps=4, blocks=1, pretrain_critic=0)
        job = dataclasses.replace(job, out=tmp_path / "out", refiner=method)
        killed(monkeypatch, after, job)
        with pytest.raises(InputError, match=r"out: is incomplete: `synth2real refine` was stopped .* with --resume"):
            load_unlabelled(tmp_path / "out")
        with pytest.raises(InputError, match=r"is incomplete: .* Pass --resume to go on, or --overwrite to begin anew"):
            refine_folder(job)
        refine_folder(dataclasses.replace(job, resume=True))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not list((tmp_path / "out").glob(".*"))


def test_a_refinement_is_not_resumed_with_other_arguments(tmp_path, monkeypatch, classes, photos):
    source = shutil.copytree(classes, tmp_path / "in")
    job = RefineJob(source, "in", tmp_path / "out", Histogram(), load_unlabelled(photos), "photos")
    killed(monkeypatch, 20, job)
    before = contents(tmp_path / "out")
    for changed, message in (
        ({"seed": 1}, "begun with seed 0, but --resume found 1"),
        ({"named": "other"}, "begun with source in, but --resume found other"),
        ({"refiner": Histogram(match="image")}, "begun with settings"),
        ({"conversion": Conversion(size=(8, 8))}, "begun with size None"),
        ({"target": None}, "begun with target"),
    ):
        with pytest.raises(InputError, match=message):
            refine_folder(dataclasses.replace(job, **changed, resume=True))
    assert contents(tmp_path / "out") == before
    save(source / "dark" / "more.png", picture(0))
    with pytest.raises(InputError, match=r"was begun with other images than those that are in .*in now"):
        refine_folder(dataclasses.replace(job, resume=True))


def test_a_saved_refiner_goes_on_only_as_itself(tmp_path, monkeypatch, classes, photos):
    for name, level in (("a", 1), ("b", 2)):
        job = RefineJob(
            classes, "classes", tmp_path / name, Histogram(), load_unlabelled(photos).subset(torch.arange(level, 9))
        )
        refine_folder(job)
    job = RefineJob(classes, "classes", tmp_path / "out", load_refiner(tmp_path / "a"))
    refine_folder(dataclasses.replace(job, out=tmp_path / "whole"))
    killed(monkeypatch, 20, job)
    with pytest.raises(InputError, match="begun with refiner"):
        refine_folder(dataclasses.replace(job, refiner=load_refiner(tmp_path / "b"), resume=True))
    refine_folder(dataclasses.replace(job, resume=True))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


# In a route


@pytest.mark.parametrize("name", METHODS)
def test_train_refines_by_every_method_and_keeps_the_refiner(synth2real, tmp_path, classes, photos, name):
    fields = {field.name for field in dataclasses.fields(METHODS[name])}
    small = {"steps": 2, "maps": 4, "blocks": 1, "pretrain_critic": 0}
    assign = [x for key, value in small.items() if key in fields for x in ("--set", f"refine.{key}={value}")]
    arguments = ("--refine", name, *assign, "--steps", 2, "--target", photos, "--out", tmp_path / "run")
    code, _, err = synth2real("train", classes, *arguments)
    assert code == 0, err
    assert f"refine {name}" in err
    raw = pixels(classes)
    assert load_refiner(tmp_path / "run").transform(raw).shape == raw.shape


def test_a_runs_log_contains_the_refiners_warnings(synth2real, tmp_path, classes, photos):
    assign = ("regularisation=1000", "maps=4", "blocks=1", "pretrain_critic=0", "history=0", "steps=24")
    arguments = ("--refine", "simgan", *(x for a in assign for x in ("--set", f"refine.{a}")), "--steps", 2)
    code, _, err = synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", *arguments)
    assert code == 0, err
    assert "warning: refine simgan changed pixels by" in err
    assert "warning: refine simgan changed pixels by" in (tmp_path / "run" / "log.txt").read_text()


def test_a_run_whose_refiner_diverges_keeps_its_weights(synth2real, tmp_path, classes, photos):
    arguments = ("--refine", "simgan", "--set", "refine.rate=1e30", "--set", "refine.maps=4", "--steps", 2)
    refused(synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", *arguments), "refine.rate")
    assert load_refiner(tmp_path / "run").name == "simgan"


def test_a_run_that_diverges_after_its_refiner_keeps_both(synth2real, tmp_path, classes, photos):
    arguments = ("--refine", "histogram", "--set", "adapt.rate=1e30", "--steps", 20)
    refused(synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", *arguments), "adapt.rate")
    assert load_refiner(tmp_path / "run").name == "histogram"
    assert (tmp_path / "run" / "model.safetensors").is_file()
    out = ("--out", tmp_path / "p.csv")
    refused(synth2real("predict", tmp_path / "run", photos, *out), "run: its training diverged", "stopped at step")


def test_letterboxed_images_are_written_in_their_own_size_without_padding(tmp_path):
    for i, size in enumerate([(16, 32), (32, 16), (20, 20)]):
        save(tmp_path / "source" / f"{i}.png", picture(i, size))
        save(tmp_path / "target" / f"{i}.png", picture(i + 9, size, level=90))
    how = Conversion((16, 16), 1, resize="letterbox")
    target = load_unlabelled(tmp_path / "target", **dataclasses.asdict(how))
    job = RefineJob(tmp_path / "source", "source", tmp_path / "out", Histogram(), target=target, conversion=how)
    assert refine_folder(job).images == 3
    for i, size in enumerate([(32, 16), (16, 32), (20, 20)]):
        with Image.open(tmp_path / "out" / f"{i}.png") as made:
            assert made.size == size
            corners = np.asarray(made)[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert len(set(corners.tolist())) > 1  # no padding
    cropped = dataclasses.replace(job, conversion=dataclasses.replace(how, resize="crop"), out=tmp_path / "cropped")
    with pytest.raises(InputError, match=r"--resize crop cuts off margins.*Take --resize stretch or letterbox"):
        refine_folder(cropped)
    assert not (tmp_path / "cropped").exists()


def test_shards_keep_all_but_their_images(refine, tmp_path):
    tars(tmp_path / "shards")
    code, _, err = refine(tmp_path / "shards", "--memory", 0)
    assert code == 0, err
    before, after = load(tmp_path / "shards", label="kind"), load(tmp_path / "out", label="kind")
    assert (list(after.names), after.classes, after.labels.tolist()) == (
        list(before.names),
        before.classes,
        before.labels.tolist(),
    )
    assert not torch.equal(after.inputs, before.inputs)
    with (tmp_path / "out" / "displacement.csv").open() as file:
        assert [row["file_name"] for row in csv.DictReader(file)] == list(before.names)


def test_shards_of_an_interrupted_job_are_completed(tmp_path, photos, monkeypatch):
    tars(tmp_path / "shards")
    target = load_unlabelled(photos)

    def job(out, **how):
        return RefineJob(tmp_path / "shards", "shards", tmp_path / out, Histogram(), target=target, **how)

    refine_folder(job("whole"))
    rewrite, written = files.rewrite, []

    def interrupted(shard, *args):
        if len(written) == 2:
            raise KeyboardInterrupt
        rewrite(shard, *args)
        written.append(shard.name)

    monkeypatch.setattr(files, "rewrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        refine_folder(job("out"))
    assert not (tmp_path / "out" / "s-002.tar").exists()
    written.clear()
    refine_folder(job("out", resume=True))
    assert written == ["s-002.tar"]
    for name in ("s-000.tar", "s-002.tar", "displacement.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_shards_of_one_name_are_refused(refine, tmp_path):
    for name in "ab":
        tars(tmp_path / name, (3,))
    refused(refine(tmp_path / "{a,b}" / "s-000.tar"), "a/s-000.tar and", "would be written to one file", "on its own")


def test_labels_of_another_program_are_refused_or_said(tmp_path):
    with pytest.raises(
        InputError, match=r"is Unity Perception SOLO, whose labels .* synth2real convert .* imagefolder"
    ):
        check_format(solo(tmp_path / "solo"))
    with pytest.warns(RefinementWarning, match="is LabelMe JSON, whose labels are not copied, but images keep"):
        check_format(labelme(tmp_path / "labelme"))
