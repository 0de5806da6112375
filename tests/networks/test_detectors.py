"""Detectors of transformers as encoders of maps."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from skips import optional
from synth2real import Budget, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import METHODS
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.networks.backbones import build_network, load_weights
from synth2real.networks.pretrained import pretrained_weights
from synth2real.route.learner import initialise
from synth2real.tasks import Detection
from synth2real.training.ensemble import Ensemble
from synth2real.training.hardware import Hardware
from synth2real.training.model import Model
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


def whole(folder, kind: str = "DFine", **settings) -> Route:
    saved(folder, kind)
    return Route(adapt=METHODS["source-only"](network=f"transformers-detr:{folder}", **settings))


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_whole_detector_answers_as_that_of_transformers(tmp_path, kind) -> None:
    theirs = saved(tmp_path, kind)
    name, task = f"transformers-detr:{tmp_path}", Detection(("a", "b"), SIZE, 8.0)
    model = Model(task, (3, *SIZE), network=name, pretrained=True, statistics="none").eval()
    assert initialise(model, "pretrained") == []
    x = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        ours, expected = model(x), theirs(x)
    torch.testing.assert_close(ours[..., :2], expected.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours[..., 2:], expected.pred_boxes, atol=1e-5, rtol=1e-5)
    assert model.train()(x).shape == (2, 20, 6 * {"DFine": 4}.get(kind, 3))  # D-FINE has boxes before its first layer


@pytest.mark.parametrize("method", SERVING)
def test_every_method_for_boxes_trains_a_whole_detector_and_the_run_is_loaded(tmp_path, method) -> None:
    saved(tmp_path / "net", "DFine")
    source, target = domains()
    adapt = METHODS[method](network=f"transformers-detr:{tmp_path / 'net'}", tune="whole", decay=0.5)
    run = Route(adapt=adapt).run(source, target, budget=BUDGET)
    assert run.model.has_sets
    run.model.save(tmp_path / "run")
    (tmp_path / "net").rename(tmp_path / "elsewhere")
    again = load_model(tmp_path / "run").predict(target).values
    assert torch.equal(again.corners, run.model.predict(target).values.corners)


def test_gradients_reach_every_weight_of_a_whole_detector_and_its_loss_falls(tmp_path) -> None:
    source, target = domains()
    route, task = whole(tmp_path, "RTDetrV2", weights="none", rate=2e-3, decay=0.0), Detection.of(source)
    x, before = source.inputs.float() / 255, route.prepare(source, target, task, 0, Hardware()).model
    model = route.run(source, target, budget=Budget(steps=30, batch=8, hardware=Hardware())).model.train()
    with torch.no_grad():
        first = task.loss(before.train()(x), source.labels)
    last = task.loss(model(x), source.labels)
    assert float(last.detach()) < 0.7 * float(first)
    last.backward()
    assert not [name for name, part in model.named_parameters() if part.requires_grad and part.grad is None]


def test_other_class_numbers_keep_the_other_weights_and_say_what_is_new(tmp_path) -> None:
    source, target = domains()
    three = Labelled(source.inputs, source.labels, ("a", "b", "c"))
    run = whole(tmp_path).run(three, target, budget=BUDGET)
    (note,) = [note for note in run.notes if "weights" in note]
    assert "the pretrained weights" in note
    assert "differ in shape" in note


def test_weights_of_a_file_that_fit_no_part_are_named(tmp_path) -> None:
    route = whole(tmp_path)
    source, target = domains()
    model = route.prepare(source, target, Detection.of(source), 0, Hardware()).model
    parts = model.backbone, model.head.network
    weights = {key: value for part in parts for key, value in part.state_dict().items()} | {
        "other.weight": torch.zeros(2)
    }
    save_file({key: value.contiguous().clone() for key, value in weights.items()}, tmp_path / "own.safetensors")
    notes = initialise(model, str(tmp_path / "own.safetensors"))
    assert [note.split(": ", 1)[1] for note in notes if "other" in note] == [
        f"1 weights are not in 'transformers-detr:{tmp_path}' and are left out, for example other.weight"
    ]


@pytest.mark.parametrize(
    ("method", "settings", "expected"),
    [
        ("source-only", {"head": (8,)}, "has a head of its own, which takes no adapt.head"),
        ("source-only", {"dropout": 0.5}, "has a head of its own, which takes no adapt.dropout"),
        ("dann", {}, "network is frozen .* it has one map, .*adapt.tune=last or whole"),
        ("dann", {"objects": 1.0, "tune": "whole"}, "predicts sets of boxes, expected transformers:NAME"),
    ],
)
def test_settings_that_a_head_of_its_own_does_not_take_are_refused(tmp_path, method, settings, expected) -> None:
    saved(tmp_path, "DFine")
    adapt = METHODS[method](network=f"transformers-detr:{tmp_path}", **settings)
    with pytest.raises(InputError, match=expected):
        Route(adapt=adapt).run(*domains(), budget=BUDGET)


def test_other_tasks_networks_and_ensembles_are_refused(tmp_path) -> None:
    source, target = domains()
    masks = Masks(torch.zeros(8, *SIZE, dtype=torch.uint8))
    with pytest.raises(InputError, match="predicts boxes, found the task segment, expected detect"):
        whole(tmp_path / "net").run(Labelled(source.inputs, masks, ("a", "b")), target, budget=BUDGET)
    optional("transformers", "transformers").ConvNextConfig(hidden_sizes=[4] * 4, depths=[1] * 4).save_pretrained(
        tmp_path / "other"
    )
    with pytest.raises(
        InputError, match=r"no detector with a decoder that is known \(convnext\), expected one of: rt_d"
    ):
        build_network(f"transformers-detr:{tmp_path / 'other'}", (3, *SIZE), dense=True)
    model = Model(Detection(("a", "b"), SIZE, 8.0), (3, *SIZE), network=f"transformers-detr:{tmp_path / 'net'}")
    with pytest.raises(InputError, match="sets of boxes, whose order means nothing"):
        Ensemble([model, model])


class Sets(nn.Module):
    """A detector of the user's with a head of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Conv2d(3, 8, 3, stride=8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).relu()

    def set_head(self, classes: int) -> nn.Module:
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5 * (classes + 4)), nn.Unflatten(1, (5, -1))
        )


def test_a_detector_of_the_users_own_may_predict_sets() -> None:
    source, target = domains()
    run = Route(adapt=METHODS["teacher"](), features=Sets()).run(source, target, budget=BUDGET)
    assert run.model.has_sets
    assert run.model.predict(target).values.counts.max() <= 10


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
