"""Detectors of transformers as encoders of maps."""

import pytest
import torch
from torch import nn

from skips import optional
from synth2real import Budget, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import METHODS
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.networks.backbones import build_network, load_weights
from synth2real.networks.pretrained import pretrained_weights
from synth2real.tasks import Detection
from synth2real.training.hardware import Hardware
from tiny_detectors import DETECTORS, saved

optional("transformers", "transformers")
SIZE = (64, 96)
BUDGET = Budget(steps=2, batch=4, hardware=Hardware())
SERVING = [name for name, method in METHODS.items() if method.serves_maps and name not in ("cdan", "entropy")]


def domains(channels: int = 3) -> tuple[Labelled, Unlabelled]:
    torch.manual_seed(0)
    images = torch.randint(256, (8, channels, *SIZE), dtype=torch.uint8)
    boxes = Boxes.of([torch.tensor([[8.0, 8.0, 30.0, 28.0]])] * 8, [torch.tensor([i % 2]) for i in range(8)])
    return Labelled(images, boxes, ("a", "b")), Unlabelled(images)


@pytest.mark.parametrize("kind", DETECTORS)
def test_the_maps_are_those_of_the_encoder_and_finer_ones_of_the_backbone(tmp_path, kind) -> None:
    whole = saved(tmp_path, kind)
    name = f"transformers:{tmp_path}"
    network = build_network(name, (3, *SIZE), pretrained=True, dense=True)
    assert load_weights(network, pretrained_weights(name), "w", name) == []
    x = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        maps, mixed = network.eval().maps(x), whole.model(x).encoder_last_hidden_state
    assert [tuple(one.shape[2:]) for one in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    for ours, theirs in zip(maps[-len(mixed) :], mixed, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.network.backbone.modules())
    assert not hasattr(network.network, "decoder")


@pytest.mark.parametrize("kind", ["RTDetrV2", "DFine"])
def test_other_sizes_and_grey_images_are_taken_and_the_configuration_builds_it_again(tmp_path, kind) -> None:
    saved(tmp_path, kind)
    network = build_network(f"transformers:{tmp_path}", (1, 50, 61), dense=True)
    assert [tuple(one.shape[2:]) for one in network.maps(torch.rand(1, 1, 50, 61))][::3] == [(16, 16), (2, 2)]
    again = build_network("transformers:nowhere", (1, 50, 61), dense=True, config=network.config)
    again.load_state_dict(network.state_dict())


def test_images_that_are_enlarged_keep_their_frame(tmp_path) -> None:
    saved(tmp_path, "RTDetrV2")
    network = build_network(f"transformers:{tmp_path}", (3, 32, 32), dense=True).eval()
    x = torch.rand(1, 3, 48, 80)
    enlarged = nn.functional.interpolate(x, (64, 96), mode="bilinear", align_corners=False)
    with torch.no_grad():
        assert torch.equal(network.maps(x)[0], network.maps(enlarged)[0])


@pytest.mark.parametrize("method", SERVING)
def test_every_method_for_boxes_trains_on_it_and_the_run_needs_no_folder(tmp_path, method) -> None:
    saved(tmp_path / "net", "DFine")
    source, target = domains(1)
    adapt = METHODS[method](network=f"transformers:{tmp_path / 'net'}")
    settled = Route(adapt=adapt).settled(len(source), Hardware(), Detection.of(source))  # as the command line does
    run = settled.run(source, target, budget=BUDGET)
    assert not [note for note in run.notes if "weights" in note]
    assert (run.model.description["tune"], run.model.description["bottleneck"]) == ("frozen", 0)
    run.model.save(tmp_path / "run")
    (tmp_path / "net").rename(tmp_path / "elsewhere")
    again = load_model(tmp_path / "run").predict(target).values
    assert torch.equal(again.corners, run.model.predict(target).values.corners)


def test_masks_are_served_and_classes_are_refused(tmp_path) -> None:
    saved(tmp_path, "RTDetrV2")
    adapt = METHODS["source-only"](network=f"transformers:{tmp_path}", weights="none")
    source, target = domains()
    masks = Masks(torch.arange(SIZE[1]).div(48).to(torch.uint8).expand(8, *SIZE).contiguous())
    run = Route(adapt=adapt).run(Labelled(source.inputs, masks, ("a", "b")), target, budget=BUDGET)
    assert run.model.predict(target).values.shape == (8, *SIZE)
    with pytest.raises(InputError, match=r"is a detector, whose maps serve masks and boxes, expected .*dinov2-small"):
        Route(adapt=adapt).run(Labelled(source.inputs, torch.arange(8) % 2, ("a", "b")), target, budget=BUDGET)


def test_a_configuration_that_does_not_fit_together_is_an_input_error(tmp_path) -> None:
    saved(tmp_path, "RTDetrV2")
    file = tmp_path / "config.json"
    file.write_text(file.read_text().replace('"feat_strides"', '"feat_stride"').replace("rt_detr_v2", "unknown_detr"))
    with pytest.raises(InputError, match=r"cannot be built \(.*\), expected a folder with the config.json"):
        build_network(f"transformers:{tmp_path}", (3, *SIZE), dense=True)


def test_a_frozen_network_of_one_map_is_not_adapted(tmp_path) -> None:
    source, target = domains()
    route = Route(adapt=METHODS["dann"](tune="frozen"), features=nn.Conv2d(3, 8, 3, 4, 1))
    with pytest.raises(InputError, match=r"no pyramid is trained behind it, as it has one map, .*tune=last or whole"):
        route.run(source, target, budget=BUDGET)
