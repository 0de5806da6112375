"""The exported graph, before it is exported: from files as they are to the answers of `Model.predict`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import RESIZED, dot, picture, save
from small_models import CLASSES, MODELS, scrambled
from synth2real import InputError
from synth2real.deploy.graph import Graph
from synth2real.tasks import Keypoints
from synth2real.training.model import Model


def raw(pixels):
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return torch.from_numpy(colour)[None]


@pytest.mark.parametrize("name", ["colour", "gaze", "the median of three regressions", "weighted classifiers"])
def test_it_answers_to_a_file_of_any_size_as_the_model_does(tmp_path, name):
    model = scrambled(MODELS[name]())
    model.conversion = replace(model.conversion, size=model.shape[1:], channels=model.shape[0])
    graph = Graph(model)
    for i, size in enumerate([(16, 16), (50, 31), (12, 90)]):
        pixels = picture(i, size, 3)
        expected = model.predict(save(tmp_path / f"{i}.png", pixels)).values
        with torch.no_grad():
            torch.testing.assert_close(graph(raw(pixels)), expected, atol=1e-6, rtol=1e-12)


@pytest.mark.parametrize("resize", RESIZED)
def test_points_are_in_pixels_of_the_image_as_given(tmp_path, resize):
    task = Keypoints(("x", "y"), (16, 16))
    model = scrambled(Model(task, (1, 16, 16)))
    model.conversion = replace(model.conversion, size=(16, 16), resize=resize)
    pixels = dot(40, 20, (60, 90))
    expected = model.predict(save(tmp_path / "a.png", pixels)).values
    with torch.no_grad():
        torch.testing.assert_close(Graph(model)(raw(pixels)), expected)
        same_place = Graph(model)(raw(dot(5, 5, (16, 16))))
        twice = Graph(model)(raw(np.kron(dot(5, 5, (16, 16)), np.ones((2, 2), np.uint8))))
    torch.testing.assert_close((same_place + 0.5) * 2, twice + 0.5)


def test_the_model_stays_as_it_is_and_inputs_and_answers_have_names():
    model = MODELS["points with given columns, corrected by few labels"]().train()
    graph = Graph(model)
    assert model.training
    assert not graph.model.training
    assert (graph.inputs, graph.output) == (("images", "given"), "points")
    assert (Graph(MODELS["features"]()).inputs, Graph(MODELS["features"]()).output) == (
        ("features", "given"),
        "probabilities",
    )


def test_other_channels_than_grey_and_colour_are_refused():
    with pytest.raises(InputError, match="images of 4 channels, expected 1 "):
        Graph(Model(CLASSES, (4, 16, 16)))
