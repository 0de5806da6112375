"""Models: saving, loading, predicting, and what they refuse."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from helpers import picture, same, save
from synth2real import Budget, Labelled, Model, Route, Unlabelled, load, load_model, load_unlabelled
from synth2real.data.reading.pixels import Conversion
from synth2real.errors import InputError
from synth2real.tasks import Classification, Keypoints, Regression
from synth2real.training.model import DESCRIPTION, PREDICTION_BATCH, WEIGHTS

TASKS = (
    Classification(("2", "10")),
    Regression(("a", "b"), mean=(5.0, -1.0), std=(2.0, 0.1)),
    Keypoints(("x", "y"), size=(16, 16)),
)


def new(task=TASKS[0], shape=(1, 16, 16), **settings):
    torch.manual_seed(0)
    return Model(task, shape, **settings).eval()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@pytest.mark.parametrize("statistics", ["per-image", "source"])
def test_a_saved_model_predicts_the_same_bits(tmp_path, task, statistics):
    model = new(task, statistics=statistics, mean=torch.tensor([0.3]), std=torch.tensor([0.2]), head=(8,), dropout=0.5)
    model.conversion = Conversion((16, 16), 1, depth=12, background="black")
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    x = torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    same(loaded.predict(x).values, model.predict(x).values)
    assert (loaded.task, loaded.shape, loaded.conversion) == (task, (1, 16, 16), model.conversion)
    assert loaded.description == model.description
    assert not loaded.training


def test_the_folder_may_be_named_and_is_made(tmp_path):
    model = new()
    model.save(str(tmp_path / "deep" / "made"))
    assert load_model(str(tmp_path / "deep" / "made")).description == model.description


def test_a_model_of_features_is_saved_too(tmp_path):
    model = new(shape=(7,), mean=torch.arange(7.0), std=torch.full((7,), 2.0))
    model.save(tmp_path)
    x = torch.randn(5, 7)
    same(load_model(tmp_path).predict(x).values, model.predict(x).values)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_missing_and_damaged_files_are_named(tmp_path, name):
    new().save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for damaged in (b"", b"\xff\xfe", whole[: len(whole) // 2], b"a: [1"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{tmp_path / name}: .*Train again with --overwrite$"):
            load_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=rf"found no {name}, expected a run folder"):
        load_model(tmp_path)
    (tmp_path / "comparison.json").touch()
    with pytest.raises(InputError, match=rf"this is the folder of a comparison, .*Use {tmp_path / 'chosen'}"):
        load_model(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path):
    new().save(tmp_path)
    description = yaml.safe_load((tmp_path / DESCRIPTION).read_text())
    description["shape"] = [3, 16, 16]
    (tmp_path / DESCRIPTION).write_text(yaml.safe_dump(description))
    with pytest.raises(InputError, match=rf"{WEIGHTS}: is damaged or does not fit the model"):
        load_model(tmp_path)


def test_folder_tensor_and_domain_give_the_same_predictions(run, photos):
    model, domain = load_model(run), load_unlabelled(photos)
    from_folder = model.predict(photos)
    assert from_folder.names == domain.names
    for other in (domain, domain.inputs, str(photos)):
        assert torch.equal(model.predict(other).values, from_folder.values)
    assert model.predict(domain.inputs).names == ()
    assert torch.allclose(from_folder.values.sum(1), torch.ones(40))
    most = from_folder.values.argmax(1).tolist()
    assert from_folder.labels == [("dark", "light")[i] for i in most]


def test_batches_do_not_change_predictions():
    model = new()
    x = torch.randint(0, 256, (PREDICTION_BATCH + 3, 1, 16, 16), dtype=torch.uint8)
    assert torch.allclose(model.predict(x).values[-3:], model.predict(x[-3:]).values, atol=1e-6)
    assert model.embed(x).shape == (len(x), model.width)
    assert torch.allclose(model.head(model.embed(x[:4])), model.outputs(x[:4]), atol=1e-5)


def test_points_come_back_in_pixels_of_the_image_as_given(tmp_path):
    model = new(TASKS[2])
    model.conversion = Conversion((16, 16))
    save(tmp_path / "a.png", picture(0, (32, 16)))
    save(tmp_path / "b.png", picture(1, (16, 64)))
    seen = model.predict(load_unlabelled(tmp_path, size=(16, 16)).inputs).values
    scale = torch.tensor([[1.0, 2.0], [4.0, 1.0]])
    assert torch.allclose(model.predict(tmp_path).values, (seen + 0.5) * scale - 0.5, atol=1e-5)


def test_regression_predicts_in_the_labels_units():
    model = new(TASKS[1])
    x = torch.rand(3, 1, 16, 16)
    expected = model.outputs(x) * torch.tensor([2.0, 0.1]) + torch.tensor([5.0, -1.0])
    assert torch.allclose(model.predict(x).values, expected.double())
    with pytest.raises(InputError, match=r"predicts values, not labels. Use .values"):
        _ = model.predict(x).labels


def test_evaluate_aligns_classes_by_name():
    model = new(Classification(("a", "b", "c")))
    x = torch.randint(0, 256, (30, 1, 16, 16), dtype=torch.uint8)
    predicted = model.predict(x).values.argmax(1)
    present = sorted(predicted.unique().tolist(), reverse=True)  # the same names, in another order
    names = tuple("abc"[i] for i in present)
    data = Labelled(x, torch.tensor([present.index(i) for i in predicted.tolist()]), names)
    assert model.evaluate(data) == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(2, 3, 16, 16), "the data has 3 channels, the model takes 1. Train with --channels"),
        (torch.zeros(2, 1, 16, 18), "the data has inputs of 1x16x18, the model takes 1x16x16. Train with --size HxW"),
        (
            torch.zeros(2, 3, 16, 18),
            r"the data has inputs of 3x16x18, the model takes 1x16x16 .*Train with --channels 1 --size 16x16",
        ),
        (torch.zeros(2, 9), "the data: expected images 1x16x16, found features of width 9. Choose another input"),
    ],
)
def test_inputs_of_another_shape_are_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        new().predict(Unlabelled(inputs))


def test_a_model_of_features_refuses_images():
    with pytest.raises(InputError, match="the data: expected features of width 7, found images 1x16x16"):
        new(shape=(7,)).predict(torch.zeros(2, 1, 16, 16))


def test_a_folder_of_another_shape_is_named(tmp_path):
    save(tmp_path / "a.png", picture(0, (16, 16), 3))
    with pytest.raises(InputError, match=rf"{tmp_path} has 3 channels"):
        new().predict(tmp_path)


def test_objects_are_converted_as_the_images_of_the_training():
    model = new()
    model.conversion = Conversion(size=(16, 16), channels=1)
    pixels = [picture(i, (20, 24), 3) for i in range(3)]
    images = [Image.fromarray(x) for x in pixels]
    expected = model.predict(Unlabelled.of(images, size=(16, 16), channels=1)).values
    assert torch.equal(model.predict(images).values, expected)
    assert torch.equal(model.predict(np.stack(pixels)).values, expected)


def test_a_model_is_scored_on_a_pair_of_inputs_and_labels():
    model = new()
    x = torch.rand(4, 1, 16, 16)
    guesses = model.predict(x).labels
    assert model.evaluate((x.numpy(), guesses))["accuracy"] == 1
    with pytest.raises(InputError, match=r"the class '0', which is not among .*Labelled.of\(X, y, classes="):
        new(Classification(("bolt", "nut"))).evaluate((x, [0, 1, 1, 0]))
    with pytest.raises(InputError, match="They look normalised"):
        model.predict(x * 4 - 2)
    numbers = Model(Regression(("size",), (0.0,), (1.0,)), (1, 16, 16))
    with pytest.raises(InputError, match=r"predicts values \(regress\), found the classes 0, 1, .* y.astype\(float\)"):
        numbers.evaluate((x, [0, 1, 1, 0]))


def test_networks_that_do_not_serve_are_refused():
    with pytest.raises(InputError, match=r"network 'resnet' is unknown, expected one of: "):
        new(network="resnet")
    with pytest.raises(InputError, match=r"network 'perceptron' does not take inputs of shape \(1, 16, 16\)"):
        new(network="perceptron")


def test_points_are_learnt(points):
    data = load(points, label=["x", "y"])
    task = Keypoints.of(data)
    model = Route().run(data, data.unlabelled(), task=task, budget=Budget(steps=80, batch=16)).model
    middle = task.metrics(data.labels.mean(0).expand(40, 2), data.labels)
    assert model.evaluate(data)["median_error"] < middle["median_error"] / 3


def test_digits_are_learnt_from_real_handwriting(shared_data):
    digits = load(shared_data / "mnist.npz", size=(14, 14))
    train, test = digits.subset(torch.arange(2000)), digits.subset(torch.arange(7000, 7500))
    trained = Route().run(train, test.unlabelled(), budget=Budget(steps=150, batch=32))
    assert trained.model.evaluate(test)["accuracy"] > 0.85
