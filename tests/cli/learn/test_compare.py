"""`compare`, `check` and `report`: their output, and their messages for wrong input."""

import json

import numpy as np
import pytest
import scipy.sparse
import torch
import yaml

from helpers import below, picture, refused, save
from synth2real import Labelled, load_unlabelled
from synth2real.comparison.named_routes import chosen_routes, default_routes, read_routes
from synth2real.data.groups import read_groups
from synth2real.data.sparse import Sparse
from synth2real.errors import InputError
from synth2real.simulate import Digits
from synth2real.tasks import Classification, Keypoints, Regression

TASK = Classification(("a", "b"))
REAL = Regression(("x",), (0.0,), (1.0,))


@pytest.fixture
def videos(tmp_path):
    """An unlabelled target of 40 images whose table says of which video each is, and nothing else."""
    for i in range(40):
        save(tmp_path / "videos" / f"{i}.png", picture(i, level=80 if i % 2 else 200))
    rows = "".join(f"{i}.png,{i // 10}\n" for i in range(40))
    (tmp_path / "videos" / "metadata.csv").write_text("file_name,video\n" + rows)
    return tmp_path / "videos"


IMAGES = Labelled(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), TASK.classes)


def of_words(words: int) -> Labelled:
    return Labelled(Sparse(scipy.sparse.csr_array((2, words), dtype="float32")), torch.tensor([0, 1]), TASK.classes)


def test_the_default_set_follows_the_task_and_the_source():
    target = IMAGES.unlabelled()
    plain = default_routes(TASK, IMAGES, target)
    assert {"dann", "teacher", "refined + teacher"} <= set(plain)
    assert not any(route.calibrate for route in plain.values())
    assert any(r.calibrate for r in default_routes(TASK, Digits(), target).values())
    vectors = Labelled(torch.zeros(2, 5), torch.tensor([0, 1]), TASK.classes)
    features = default_routes(TASK, vectors, vectors.unlabelled())
    assert list(features) == ["teacher", "dann"]
    assert not any(route.randomize or route.refine for route in features.values())
    numbers = default_routes(REAL, IMAGES, target)
    assert type(numbers["teacher"].randomize).__name__ == "Photometric"
    points = default_routes(Keypoints(("x", "y"), (8, 8)), IMAGES, target)
    assert type(points["dann"].randomize).__name__ == "Full"


@pytest.mark.parametrize(("words", "task", "there"), [(9, TASK, True), (9, REAL, False), (10**8, TASK, False)])
def test_of_words_denoising_is_tried_where_it_has_classes_and_fits_in_memory(words, task, there):
    texts = of_words(words)
    assert ("msda" in default_routes(task, texts, texts.unlabelled())) == there


def test_routes_are_read_from_yaml_flat_or_nested(tmp_path):
    text = """
    mine: {randomize: full, adapt: {method: teacher, settings: {decay: 0.9}}}
    other: {adapt: {method: dann, rate: 0.01}, refine: null}
    """
    (tmp_path / "routes.yaml").write_text(text)
    routes = read_routes(tmp_path / "routes.yaml")
    assert routes["mine"].adapt.decay == 0.9
    assert routes["other"].adapt.rate == 0.01
    again = {name: route.describe() for name, route in routes.items()}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(again))
    assert read_routes(tmp_path / "again.yaml") == routes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine: {adapt: nonsense}", "adapt 'nonsense' is unknown"),
        ("mine: {kitchen: dann}", "has the unknown stage 'kitchen', expected one of: calibrate"),
        ("mine: {adapt: {rate: 1}}", "the stage 'adapt' is {'rate': 1}, expected {method: NAME"),
        ("mine: {adapt: {method: dann, settings: 3}}", "adapt.settings is 3"),
        ("mine: {adapt: {method: dann, rate: -1}}", "adapt.rate of 'dann'"),
        ("mine: teacher", "route 'mine' is 'teacher', expected stages"),
        ("- teacher", "contains list, expected routes"),
        ("{", "is not valid YAML"),
    ],
)
def test_wrong_routes_are_refused_by_name(tmp_path, text, message):
    (tmp_path / "routes.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        read_routes(tmp_path / "routes.yaml")
    assert message in str(error.value)
    assert "routes.yaml" in str(error.value)


def test_unknown_names_and_absent_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'nobody' is not a route for this data.*source only, teacher"):
        chosen_routes("teacher,nobody", TASK, IMAGES, IMAGES.unlabelled())
    with pytest.raises(InputError, match="cannot be read"):
        chosen_routes(str(tmp_path / "no.yaml"), TASK, IMAGES, IMAGES.unlabelled())
    assert list(chosen_routes("source only, dann", TASK, IMAGES, IMAGES.unlabelled())) == ["dann"]


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        (("--budget", 0), ("--budget is 0", "--budget 15")),
        (("--overwrite", "--resume"), ("--overwrite and --resume",)),
        (("--task", "guess"), ("--task 'guess'",)),
        (("--routes", "calibrated"), ("'calibrated' is not a route for this data",)),
        (("--group", "person"), ("--group 'person'", "neither", "has that column")),
        (("--resume",), ("--resume",)),
        (("--n", 5), ("--n 5",)),
        (("--weights", "pretrained"), ("the network 'convolutional' has no pretrained weights",)),
        (("--network", "resnet"), ("network 'resnet' is unknown",)),
        (("--network", "linear", "--routes", "a.yaml"), ("found --network and --routes a.yaml", "network: linear")),
    ],
)
def test_compare_refuses_before_anything_is_written(synth2real, tmp_path, classes, photos, wrong, parts):
    out = tmp_path / "out"
    refused(synth2real("compare", classes, "--target", photos, "--out", out, *wrong), *parts)
    assert not out.exists()


def test_a_folder_in_use_is_refused(synth2real, tmp_path, classes, photos):
    save(tmp_path / "out" / "mine.png", picture(0))
    arguments = ("compare", classes, "--target", photos, "--out", tmp_path / "out", "--routes", "dann")
    result = synth2real(*arguments)
    refused(result, "the folder is not empty", "Choose another --out")
    assert "--resume" not in result[2]  # there is no run to continue
    refused(synth2real(*arguments, "--overwrite"), "found no settings.yaml")


def test_check_prints_warnings_and_succeeds(synth2real, tmp_path, classes, photos, videos):
    code, out, err = synth2real("check", classes, "--target", photos, "--test", classes, "--json")
    assert "images, fewer than 1,000: a pretrained network probably does better" in json.loads(out)["recommended"]
    assert code == 0, err
    found = json.loads(out)
    assert found["domains"]["source"]["classes"] == {"dark": 20, "light": 20}
    assert found["duplicates"]["source and test"]["count"] >= 40
    assert set(found["minutes"]) == {"source only", "teacher"}
    assert "warning: 40 images of source have near-duplicates in test" in err
    refused(synth2real("check", classes, "--target", videos, "--group", "person"), "--group 'person'")


def test_groups_are_read_from_tables_and_arrays(synth2real, tmp_path, videos):
    groups = read_groups(videos, "video", load_unlabelled(videos))
    assert groups.tolist() == [int(name.removesuffix(".png")) // 10 for name in load_unlabelled(videos).names]
    (videos / "metadata.csv").write_text("file_name,video\n0.png,1\n")
    with pytest.raises(InputError, match=r"1\.png: no row of a metadata table has a group 'video' for it"):
        read_groups(videos, "video", load_unlabelled(videos))
    features = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    np.savez(tmp_path / "source.npz", features=features, labels=np.arange(30) % 2)
    np.savez(tmp_path / "target.npz", features=features, person=np.arange(30) // 10, short=np.arange(3))
    arguments = ("check", tmp_path / "source.npz", "--target", tmp_path / "target.npz", "--group")
    code, out, err = synth2real(*arguments, "person")
    assert code == 0, err
    assert "source: 30 of 3; classes: 0 15, 1 15" in out
    refused(synth2real(*arguments, "short"), "'short' has 3 values, expected 30")


def test_a_run_has_a_report_of_its_own(synth2real, tmp_path, points, photos):
    run = tmp_path / "run"
    labels = ("--label", "x", "--label", "y")
    arguments = ("train", points, "--target", photos, "--task", "keypoints", *labels, "--steps", 3, "--out", run)
    assert synth2real(*arguments)[0] == 0
    code, out, err = synth2real("report", run, "--test", points)
    assert (code, out) == (0, ""), err
    html = (run / "report.html").read_text()
    assert "source-only" in html
    assert html.count('<line class="true"') == html.count('<line class="predicted"') - 48 > 0  # doubts are drawn, too
    assert "Error by range" in html
    assert "held out from training" not in html, "it was trained on all of its source"
    assert below(run).count("report.html") == 1
    refused(synth2real("report", tmp_path), "found no settings.yaml")
    refused(synth2real("report", run, "--out", tmp_path / "page.txt"), "expected the name of an HTML file")
