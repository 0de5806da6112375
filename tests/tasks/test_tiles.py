"""Predictions for large images: as those of the whole image, where a network looks at each pixel alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from spots import CLASSES, spots
from synth2real import InputError, Labelled, Route, Unlabelled
from synth2real.data.labels import Boxes
from synth2real.data.reading.pixels import Conversion
from synth2real.data.tiles.cutting import as_samples
from synth2real.deploy.graph import Graph
from synth2real.route.preconditions import check_tiles
from synth2real.tasks import Classification, Detection, Segmentation
from synth2real.tasks.metrics import boxes as box_metrics
from synth2real.training.model import Model

SIDE = (32, 32)
SIZES = [(70, 101), (32, 32), (33, 32), (12, 80), (20, 9)]
HOW = {"size": SIDE, "resize": "tiles"}


class Levels(nn.Module):
    """A network that looks at each pixel alone: three classes by its grey level."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.cat([0.3 - x, 0.1 - (x - 0.5).abs(), x - 0.7], 1)


def pixelwise() -> Model:
    """A segmenter whose outputs are those of `Levels`, without normalisation."""
    model = Model(Segmentation(("dark", "middle", "bright"), SIDE), (1, *SIDE), features=Levels())
    model.features, model.head = Levels(), nn.Identity()
    return model.eval()


def images() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 256, size, dtype=np.uint8)) for size in SIZES]


def test_masks_of_a_pixelwise_network_are_those_of_the_whole_image() -> None:
    found = pixelwise().predict(Unlabelled.of(images(), **HOW))
    assert [tuple(mask.shape) for mask in found.values] == SIZES
    for mask, image in zip(found.values, images(), strict=True):
        whole = torch.from_numpy(np.asarray(image) / np.float32(255))[None, None]
        assert torch.equal(mask, Levels()(whole).argmax(1)[0].to(torch.uint8))


def test_masks_are_scored_over_the_pixels_of_whole_images() -> None:
    model, pictures = pixelwise(), images()
    truth = [Levels()(torch.from_numpy(np.asarray(one) / np.float32(255))[None, None]).argmax(1)[0] for one in pictures]
    wrong = [mask.clone() for mask in truth]
    wrong[0][:10] = (wrong[0][:10] + 1) % 3
    data = Labelled.of(pictures, [mask.to(torch.uint8).numpy() for mask in wrong], classes=model.task.classes, **HOW)
    pixels = sum(mask.numel() for mask in truth)
    assert model.evaluate(data)["pixel_accuracy"] == pytest.approx(1 - 10 * SIZES[0][1] / pixels)
    assert model.evaluate(as_samples(data))["pixel_accuracy"] < 1


def large(count: int) -> Labelled:
    """Large images of discs and squares."""
    whole = spots(count, 0, side=100, most=25)
    pictures = [Image.fromarray(one.numpy()) for one in whole.inputs[:, 0]]
    return Labelled.of(pictures, whole.labels, classes=CLASSES, **HOW)


def test_a_detector_trains_on_tiles_of_both_and_finds_the_objects_of_whole_images() -> None:
    source = spots(200, 1)
    data = large(6)
    model = Route().fit(source, data.unlabelled(), task=Detection.of(source), steps=90)
    found = model.predict(data.unlabelled())
    assert len(found.values) == 6
    assert len(model.predict(as_samples(data.unlabelled())).values) == len(data)
    assert model.evaluate(data)["ap50"] > 0.5
    each = model.predict(data.subset(data.tiling.tiles_of(torch.tensor([4]))).unlabelled()).values
    torch.testing.assert_close(each.corners, found.values[torch.tensor([4])].corners, atol=1e-3, rtol=0)


def test_a_source_in_tiles_has_ignored_boxes_and_teaches() -> None:
    data = large(6)
    assert bool(data.labels.ignored.any())
    model = Route().fit(data, data.unlabelled(), task=Detection.of(as_samples(data)), steps=2)
    assert model.shape == (1, *SIDE)


def test_more_than_a_hundred_boxes_of_an_image_count() -> None:
    corners = torch.tensor(
        [[8.0 * (i % 20), 8.0 * (i // 20), 8.0 * (i % 20) + 7, 8.0 * (i // 20) + 7] for i in range(300)]
    )
    truth = Boxes.of([corners], [torch.zeros(300)])
    assert Detection(CLASSES, SIDE, 4.0).metrics(truth, truth)["recall"] == pytest.approx(1)


def test_classes_and_exports_are_refused() -> None:
    target = Unlabelled.of(images(), **HOW)
    with pytest.raises(InputError, match="the task classify is of whole images, but --resize tiles"):
        check_tiles(Classification(("a", "b")), target)
    source = Labelled(torch.zeros(12, 1, *SIDE, dtype=torch.uint8), torch.arange(12) % 2)
    with pytest.raises(InputError, match="the task classify is of whole images"):
        Route().fit(source, target, steps=1)
    model = pixelwise()
    model.conversion = Conversion(SIDE, 1, resize="tiles")
    with pytest.raises(InputError, match="the model cuts images into tiles"):
        Graph(model)


@pytest.mark.parametrize("seed", range(3))
def test_many_boxes_of_an_image_have_the_same_metrics_in_parts(seed, monkeypatch) -> None:
    generator = torch.Generator().manual_seed(seed)

    def boxes(count: int, side: float) -> torch.Tensor:
        low = torch.rand(count, 2, generator=generator) * 60
        return torch.cat([low, low + side * (0.5 + torch.rand(count, 2, generator=generator))], 1)

    def some(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        return boxes(count, 20), torch.randint(0, 2, (count,), generator=generator)

    (first, kinds), (second, others) = some(40), some(30)
    truth = Boxes.of(
        [first, second], [kinds, others], [torch.rand(len(one), generator=generator) < 0.1 for one in (first, second)]
    )
    near = [one + 2 * torch.randn(one.shape, generator=generator) for one in (first, second)]
    found = Boxes.of([torch.cat([near[0], boxes(20, 20)]), near[1]], [torch.cat([kinds, kinds[:20]]), others])
    found = Boxes(
        found.corners, found.classes, found.offsets, scores=torch.rand(len(found.classes), generator=generator)
    )
    whole = box_metrics.box_metrics(found, truth, CLASSES)
    monkeypatch.setattr(box_metrics, "USUAL", 59)
    monkeypatch.setattr(box_metrics, "CHUNK", 7)
    assert len(box_metrics.apart(found, truth)[0]) > 10
    parts = box_metrics.box_metrics(found, truth, CLASSES)
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value), name
