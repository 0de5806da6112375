"""Export: every kind of model as `.onnx` and `.pt2`, with the answers of the run, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from foreign import solo
from helpers import below, picture, save
from sharded import tars
from skips import optional
from small_models import CLASSES, MODELS, Noisy, Own, Varies, scrambled
from synth2real import InputError, Unlabelled
from synth2real.data.reading.pixels import Conversion
from synth2real.deploy import export_model, load_onnx
from synth2real.networks.layers import FOR_FEATURES, NETWORKS
from synth2real.tasks import Keypoints
from synth2real.training.model import Model


def inputs_of(model, count=5):
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(count, *model.shape, generator=generator)
    if len(model.shape) == 3:
        x = (255 * x).to(torch.uint8)
    given = torch.rand(count, len(model.given_columns), generator=generator) if model.given_columns else None
    return Unlabelled(x, given=given, given_columns=model.given_columns)


@pytest.fixture(scope="session", params=list(MODELS))
def each(request, tmp_path_factory):
    """A model of each kind, and its `.onnx`."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    model = scrambled(MODELS[request.param]())
    path = tmp_path_factory.mktemp("exports") / "model.onnx"
    return model, export_model(model, path, run={"label": ["y"], "route": {"adapt": {"method": "dann"}}}).path


def test_an_onnx_answers_as_its_model_and_says_what_it_is(each):
    model, path = each
    domain = inputs_of(model)
    found = load_onnx(path)
    close = 5e-3 if model.task.kind in ("keypoints", "regress") else 2e-5  # of 100 pixels, and of a deviation of 40
    torch.testing.assert_close(found.predict(domain).values, model.predict(domain).values, atol=close, rtol=1e-12)
    assert found.task == model.task
    assert (found.shape, found.given_columns, found.conversion) == (model.shape, model.given_columns, model.conversion)
    assert found.facts["classes"] == (list(model.task.classes) if model.task.kind == "classify" else None)
    assert found.facts["versions"]["torch"] == torch.__version__
    assert (found.facts["label"], found.facts["method"]) == (["y"], {"adapt": {"method": "dann"}})
    assert below(path.parent) == ["model.onnx"]


def test_it_names_no_file_of_this_machine_and_states_the_licence_of_weights(each):
    model, path = each
    assert b"/synth2real/" not in path.read_bytes()
    own = ["CC-BY-4.0"] if any(isinstance(part, Own) for part in model.modules()) else []
    licences = ["Apache-2.0"] if model.description.get("licence") else own
    assert load_onnx(path).facts["licence"] == licences


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "convolutional-wide"])
def test_every_network_of_the_library_becomes_a_pt2(tmp_path, network):
    model = scrambled(Model(CLASSES, (9,) if network in FOR_FEATURES else (3, 40, 40), network=network))
    path = export_model(model, tmp_path / "model.pt2").path
    extra = {"synth2real.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    assert json.loads(extra["synth2real.json"])["network"] == [network]
    x = inputs_of(model).inputs
    with torch.no_grad():
        found = program(x.permute(0, 2, 3, 1).contiguous() if x.ndim == 4 else x)
    torch.testing.assert_close(found, model.predict(inputs_of(model)).values, atol=1e-5, rtol=0)
    assert b"/synth2real/" not in path.read_bytes()


def test_real_images_of_a_folder_check_it_and_unreadable_ones_are_left_out(tmp_path):
    for i, size in enumerate([(20, 30), (40, 17), (20, 30)]):
        save(tmp_path / "photos" / f"{i}.png", picture(i, size, 3))
    (tmp_path / "photos" / "torn.png").write_text("x")
    model = Model(CLASSES, (1, 16, 16), features=Own())
    made = export_model(model, tmp_path / "model.pt2", images=tmp_path / "photos")
    assert made.checked.real
    assert made.checked.count == 4  # three, and one of them at another size
    assert made.checked.largest <= 1e-4


@pytest.mark.parametrize("resize", ["crop", "letterbox"])
def test_photographs_that_are_cropped_or_padded_have_the_same_answers_in_an_onnx(tmp_path, resize):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    for i, size in enumerate([(90, 120), (120, 90), (50, 50), (9, 31)]):
        save(tmp_path / "photos" / f"{i}.{'jpg' if i < 2 else 'png'}", picture(i, size, 3))
    model = Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16))
    model.conversion = Conversion(model.shape[1:], model.shape[0], resize=resize)
    made = export_model(model, tmp_path / "model.onnx", images=tmp_path / "photos")
    assert made.checked.count == 5
    found, expected = load_onnx(made.path).predict(tmp_path / "photos"), model.predict(tmp_path / "photos")
    torch.testing.assert_close(found.values, expected.values, atol=1e-3, rtol=1e-12)


@pytest.mark.parametrize(("channels", "depth"), [(1, 12), (3, None)])
def test_points_of_a_network_of_the_users_own_are_traced_although_it_asks_for_the_length_of_a_batch(
    tmp_path, channels, depth
):
    network = Own()
    network.layers[0] = torch.nn.Conv2d(channels, 4, 3)
    model = Model(Keypoints(("x", "y"), (16, 20)), (channels, 16, 20), features=network)
    model.conversion = Conversion((16, 20), channels, depth=depth, resize="letterbox")
    program = torch.export.load(export_model(model, tmp_path / "model.pt2").path).module()
    x = inputs_of(model).inputs
    with torch.no_grad():
        found = program(x.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous())
    torch.testing.assert_close(found, model.predict(inputs_of(model)).values, atol=1e-3, rtol=1e-5)


def test_a_folder_without_a_readable_image_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "torn.png").write_text("x")
    with pytest.raises(InputError, match=r"photos: found no image to check the export with \(.*torn.png: unreadable"):
        export_model(Model(CLASSES, (1, 16, 16), features=Own()), tmp_path / "a.pt2", images=tmp_path / "photos")
    assert below(tmp_path) == ["photos/torn.png"]


def test_the_images_of_shards_and_of_other_formats_check_it(tmp_path):
    model = Model(CLASSES, (1, 16, 16), features=Own())
    for path, count in ((tars(tmp_path / "shards", (2, 1)), 4), (solo(tmp_path / "solo"), 3)):
        checked = export_model(model, tmp_path / f"{path.name}.pt2", images=path).checked
        assert (checked.real, checked.count) == (True, count)


def test_the_images_of_an_npz_check_it(tmp_path):
    images = np.stack([picture(i, (16, 16)) for i in range(12)])
    np.savez(tmp_path / "photos.npz", images=images)
    model = Model(CLASSES, (1, 16, 16), features=Own())
    assert export_model(model, tmp_path / "model.pt2", images=tmp_path / "photos.npz").checked.count == 9


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Noisy, r"the exported graph answers [\d.]+ to random image \d in a batch of .* the model answers [\d.]+"),
        (Varies, r"the network cannot be exported \(.*\), expected operations of torch"),
    ],
)
def test_a_network_that_cannot_be_exported_is_refused_and_nothing_is_written(tmp_path, network, words):
    model = Model(CLASSES, (1, 16, 16), features=network())
    (tmp_path / "model.pt2").write_text("before")
    with pytest.raises(InputError, match=words):
        export_model(model, tmp_path / "model.pt2", overwrite=True)
    assert (tmp_path / "model.pt2").read_text() == "before"
    assert below(tmp_path) == ["model.pt2"]


def test_a_correction_for_each_group_becomes_the_common_one_and_that_is_said(tmp_path):
    made = export_model(MODELS["points with given columns, corrected by few labels"](), tmp_path / "model.pt2")
    assert made.notes == (
        "the model has a correction for each of 1 groups; the exported one has the common correction for all",
    )


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("model.pb", {}, r"model.pb: found the suffix '.pb', expected .onnx \(for onnxruntime\) or .pt2"),
        ("there.onnx", {}, "there.onnx: the file exists, expected a new file. Choose another name, or pass --over"),
        ("folder.onnx", {}, "folder.onnx: found a folder, expected the name of a new file"),
        ("model.pt2", {"calibrate": Unlabelled(torch.zeros(1, 1, 16, 16))}, "model.pt2: int8 needs .onnx, found .pt2"),
    ],
)
def test_a_path_that_cannot_be_written_to_is_refused(tmp_path, name, more, words):
    (tmp_path / "there.onnx").write_text("x")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match=words):
        export_model(Model(CLASSES, (1, 16, 16), features=Own()), tmp_path / name, **more)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch, package):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        optional(name, "onnx")
    monkeypatch.setitem(sys.modules, package, None)
    words = rf"an export to .onnx needs the package {package}, .*Install it: pip install 'synth2real\[onnx\]'"
    with pytest.raises(InputError, match=words):
        export_model(Model(CLASSES, (1, 16, 16), features=Own()), tmp_path / "model.onnx")
    assert below(tmp_path) == []


def test_an_export_prints_nothing(tmp_path):
    """In a process of its own: what torch says once for each process is said there."""
    optional("onnxscript", "onnx")
    optional("onnxruntime", "onnx")
    code = f"""
from synth2real.deploy import export_model
from synth2real.tasks import Classification
from synth2real.training.model import Model
export_model(Model(Classification(("a", "b")), (4,)), {str(tmp_path / "model.onnx")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
