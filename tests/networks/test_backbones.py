"""User networks, as objects or by name; frozen, with weights; and the messages for those that fail."""

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from helpers import refused, same
from skips import optional
from synth2real import Budget, Model, Route, Unlabelled, load, load_model, load_unlabelled
from synth2real.adapt import DANN, METHODS, SHOT, TENT, SourceOnly
from synth2real.errors import InputError
from synth2real.networks.backbones import build_network, load_weights, read_weights, width_of
from synth2real.networks.layers import FOR_FEATURES, NETWORKS
from synth2real.tasks import Classification
from synth2real.training import Hardware

SHAPE = (1, 16, 16)
TASK = Classification(("dark", "light"))
CODE = """
from torch import nn

class Plain(nn.Sequential):
    def __init__(self, width=6):
        super().__init__(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten())

class Sized(nn.Sequential):
    def __init__(self, shape):
        super().__init__(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 5))

class Demanding(nn.Module):
    def __init__(self, depth):
        super().__init__()

class Maps(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 4, 3)

class Colour(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.Flatten())

def function():
    pass
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module `my_nets` that Python can import."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield
    sys.modules.pop("my_nets", None)


@pytest.fixture(scope="module")
def data(classes, photos):
    return load(classes), load_unlabelled(photos)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def test_any_network_makes_a_model_and_its_width_is_found() -> None:
    network = net()
    model = Model(TASK, SHAPE, features=network)
    assert model.width == 16
    assert model.backbone is network
    assert model(torch.rand(3, *SHAPE)).shape == (3, 2)
    assert network.training


@pytest.mark.parametrize("name", NETWORKS)
def test_the_dry_run_finds_the_width_of_the_built_in_networks(name: str) -> None:
    shape = (4,) if name in FOR_FEATURES else (1, 32, 32)
    network = build_network(name, shape)
    assert width_of(network, shape, name) == network.width


def test_a_route_trains_a_copy_of_the_network_given(data) -> None:
    network = net()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    route = Route(adapt=DANN(), features=network)
    models = [route.run(*data, budget=Budget(steps=20, batch=16)).model for _ in range(2)]
    assert all(torch.equal(before[key], value.cpu()) for key, value in network.state_dict().items())
    assert not torch.equal(models[0].backbone[0].weight.cpu(), network[0].weight)
    same(models[0].predict(data[1]).values, models[1].predict(data[1]).values)
    with pytest.raises(InputError, match=r"found features= and adapt.network 'dann-mnist', expected one of them"):
        Route(adapt=DANN(network="dann-mnist"), features=network).fit(*data)


def test_a_network_object_must_be_passed_again(data, tmp_path) -> None:
    model = Route(features=net()).run(*data, budget=Budget(steps=3, batch=16)).model
    model.save(tmp_path)
    with pytest.raises(
        InputError, match=r"network object, not with a network name.*load_model\(folder, features=\.\.\.\).*--network"
    ):
        load_model(tmp_path)
    again = load_model(tmp_path, features=net())
    assert torch.equal(again.predict(data[1]).values, model.predict(data[1]).values)
    other = nn.Sequential(nn.Flatten(), nn.Linear(256, 16))
    with pytest.raises(
        InputError, match=r"(?s)does not fit.*features\.1.*Pass features= with a network like the trained one"
    ):
        load_model(tmp_path, features=other)
    Model(TASK, SHAPE).save(tmp_path)
    with pytest.raises(
        InputError, match=r"network is 'convolutional', which is built by name, but features= was given"
    ):
        load_model(tmp_path, features=net())


def test_a_class_by_name_is_imported_again(data, tmp_path, nets) -> None:
    adapt = SourceOnly(network="my_nets:Plain")
    model = Route(adapt=adapt).run(*data, budget=Budget(steps=3, batch=16)).model
    model.save(tmp_path)
    assert model.width == 6
    again = load_model(tmp_path, trust=True)
    assert torch.equal(again.predict(data[1]).values, model.predict(data[1]).values)
    assert build_network("my_nets:Sized", SHAPE)[1].in_features == 256


@pytest.mark.parametrize("name", ["Perceptron", "Linear"])
def test_built_in_classes_can_be_named_by_their_package(name: str) -> None:
    assert type(build_network(f"synth2real.networks:{name}", (5,))).__name__ == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", r"'resnet' is unknown, expected one of: convolutional, .*module:Class.*timm:NAME"),
        ("no_such:Net", r"cannot import 'no_such' .*Run in the folder of the module, or add that folder to PYTHONPATH"),
        ("my_nets:Other", r"the module 'my_nets' has no 'Other'"),
        ("my_nets:function", r"found <function .*, expected a class that derives from torch.nn.Module"),
        ("my_nets:Demanding", r"cannot be built \(.*depth.*\), expected a class that is called with `shape` only"),
        (
            "my_nets:Maps",
            r"returns a tensor \(2, 4, 14, 14\) for two inputs, expected features \(2, F\). Pool and flatten",
        ),
        ("my_nets:Colour", r"does not take inputs of 1x16x16 \(.*\). Convert them with --size and --channels"),
        (
            "perceptron",
            r"'perceptron' does not take inputs of shape \(1, 16, 16\), expected feature vectors \(F,\)\. "
            "For images choose --network convolutional",
        ),
    ],
)
def test_networks_that_cannot_serve_are_refused(nets, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Model(TASK, SHAPE, network=name)


def test_a_network_that_makes_no_tensor_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(InputError, match=r"'Two' returns a tuple for two inputs"):
        Model(TASK, SHAPE, features=Two())


def test_weights_that_fit_are_loaded_and_the_others_named(data, tmp_path) -> None:
    network, file = build_network("dann-mnist", SHAPE), tmp_path / "weights.safetensors"
    state = network.state_dict()
    save_file(state, file)
    route = Route(adapt=SourceOnly(network="dann-mnist", weights=str(file), tune="frozen"))
    run = route.run(*data, budget=Budget(steps=2, batch=8))
    assert all(torch.equal(value, run.model.backbone.state_dict()[key].cpu()) for key, value in state.items())
    assert not [note for note in run.notes if "weights are loaded" in note]
    save_file({"0.weight": state["0.weight"][:3], "0.bias": state["0.bias"] + 1, "fc.bias": torch.zeros(2)}, file)
    expected = (
        rf"^{file}: 1 weights are loaded into 'dann-mnist', not all: 3.weight, 3.bias are missing; "
        r"fc.bias are not in the network; 0.weight \(3, 1, 5, 5\) instead of \(32, 1, 5, 5\) differ in shape$"
    )
    run = route.run(*data, budget=Budget(steps=2, batch=8))
    assert [note for note in run.notes if re.match(expected, note)]
    assert torch.equal(run.model.backbone[0].bias.cpu(), state["0.bias"] + 1)


def test_weights_of_which_none_fits_are_refused(tmp_path) -> None:
    network, file = build_network("dann-mnist", SHAPE), tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"none.safetensors: no such file, expected the weights of 'net'"):
        read_weights(tmp_path / "none.safetensors", "net")
    with pytest.raises(InputError, match=r"w: no weight fits the network .net.: .*; a are not in.*state_dict"):
        load_weights(network, {"a": torch.zeros(1)}, "w", "net")
    with pytest.raises(InputError, match=r"no weight fits .*0.weight \(1,\) instead of"):
        load_weights(network, {"0.weight": torch.zeros(1)}, "w", "net")
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"is damaged .*save_file"):
        read_weights(file, "net")


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.adapts_features])
def test_what_adapts_the_features_needs_some_that_are_trained(data, name: str) -> None:
    route = Route(adapt=METHODS[name](tune="frozen", bottleneck=0), features=net())
    expected = r"adapts the features, but the network is frozen .*Leave adapt.bottleneck out"
    with pytest.raises(InputError, match=expected):
        route.check(*data, task=Classification.of(data[0]))


@pytest.mark.parametrize("name", METHODS)
def test_a_frozen_network_stays_and_the_bottleneck_learns(data, tmp_path, name: str) -> None:
    network = nn.Sequential(net(), nn.BatchNorm1d(16), nn.Dropout(0.5))
    route = Route(adapt=METHODS[name](tune="frozen"), features=network)
    model = route.run(*data, budget=Budget(steps=3, batch=8, hardware=Hardware())).model
    for key, value in network.state_dict().items():
        assert torch.equal(value, model.backbone.state_dict()[key]), key
    assert model.width == 256
    model.save(tmp_path)
    again = load_model(tmp_path, features=nn.Sequential(net(), nn.BatchNorm1d(16), nn.Dropout(0.5)))
    same(again.predict(data[1]).values, model.predict(data[1]).values)


def test_outputs_of_a_frozen_network_pass_for_images(data) -> None:
    route = Route(adapt=DANN(tune="frozen"), features=net())
    model = route.run(*data, budget=Budget(steps=2, batch=8, hardware=Hardware())).model
    kept = model.extract(data[1].inputs)
    assert kept.shape == (len(data[1]), 16)
    assert not kept.requires_grad
    torch.testing.assert_close(model.features(kept), model.embed(data[1].inputs))
    torch.testing.assert_close(model(kept), model.outputs(data[1].inputs))


def test_dann_on_a_frozen_network_is_not_source_only(data) -> None:
    """The critic's gradient reaches the bottleneck."""
    budget = Budget(steps=20, batch=8, hardware=Hardware())
    adapted, alone = (
        Route(adapt=method(tune="frozen", dropout=0.0), features=net()).run(*data, budget=budget).model.features
        for method in (DANN, SourceOnly)
    )
    assert not torch.allclose(adapted.bottleneck[0].weight, alone.bottleneck[0].weight, atol=1e-3)


@pytest.mark.parametrize("method", [SHOT, TENT])
def test_a_frozen_model_is_adapted_later_by_its_bottleneck(data, method) -> None:
    model = Route(features=net(), adapt=SourceOnly(tune="frozen")).run(*data, budget=Budget(steps=2, batch=8)).model
    adapted = method().fit(model, data[1], steps=3, batch=8)
    assert all(
        torch.equal(p, q) for p, q in zip(adapted.backbone.parameters(), model.backbone.parameters(), strict=True)
    )
    assert not torch.equal(adapted.features.bottleneck[1].weight, model.features.bottleneck[1].weight)
    with pytest.raises(InputError, match=r"frozen network and no bottleneck, .*Train it without adapt.bottleneck=0"):
        SHOT().fit(Model(TASK, SHAPE, tune="frozen"), Unlabelled(torch.rand(4, *SHAPE)))


def test_timm_by_name_through_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"'timm:resnet18' needs the package timm.*pip install 'synth2real\[timm\]'"):
        build_network("timm:resnet18", SHAPE)
    calls = []
    timm = ModuleType("timm")

    def create_model(name, **settings):
        if name != "resnet18":
            raise RuntimeError(f"Unknown model ({name})")
        calls.append(settings)
        return net()

    timm.create_model = create_model
    facts = SimpleNamespace(mean=(0.5,) * 3, std=(0.25,) * 3, input_size=(3, 224, 224), license="mit")
    timm.models = SimpleNamespace(get_pretrained_cfg={"resnet18": facts}.get)
    monkeypatch.setitem(sys.modules, "timm", timm)
    assert Model(TASK, SHAPE, network="timm:resnet18").width == 16
    assert calls == [{"pretrained": False, "num_classes": 0, "in_chans": 1}]
    with pytest.raises(InputError, match=r"Unknown model \(other\)\), expected a name from timm.list_models"):
        build_network("timm:other", SHAPE)
    with pytest.raises(InputError, match=r"takes images, found features"):
        build_network("timm:resnet18", (5,))


def test_transformers_by_name_through_its_extra(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    expected = r"'transformers:vit' needs the package transformers.*pip install 'synth2real\[transformers\]'"
    with pytest.raises(InputError, match=expected):
        build_network("transformers:vit", SHAPE)
    with pytest.raises(
        InputError, match=r"expected images \(C, H, W\)\. For feature vectors choose --network perceptron"
    ):
        build_network("convolutional", (5,))
    with pytest.raises(InputError, match=r"takes images, found features of shape \(5,\)"):
        build_network("transformers:vit", (5,))


def test_transformers_itself_from_a_folder(data, tmp_path, monkeypatch) -> None:
    transformers = optional("transformers", "transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    transformers.ViTConfig(image_size=16, patch_size=8, **sizes).save_pretrained(tmp_path / "vit")
    name = f"transformers:{tmp_path / 'vit'}"
    model = Route(adapt=DANN(network=name, weights="none")).run(*data, budget=Budget(steps=3, batch=8)).model
    assert model.width == 8
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run")
    assert torch.equal(load_model(tmp_path / "run").predict(data[1]).values, model.predict(data[1]).values)
    with pytest.raises(InputError, match=r"does not take inputs of 1x20x20 \(.*\). Convert them with --size"):
        Model(TASK, (1, 20, 20), network=name)
    maps = {"embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1], "layer_type": "basic"}
    transformers.ResNetConfig(**maps).save_pretrained(tmp_path / "resnet")
    assert Model(TASK, SHAPE, network=f"transformers:{tmp_path / 'resnet'}").width == 6
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"cannot be built \(.*\), expected a folder with the config.json"):
        build_network(f"transformers:{tmp_path / 'empty'}", SHAPE)


def test_timm_itself() -> None:
    optional("timm", "timm")
    assert Model(TASK, (3, 32, 32), network="timm:resnet18").width == 512


def test_the_command_line_takes_networks_and_weights(synth2real, tmp_path, classes, photos, nets) -> None:
    def train(*more):
        return synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", "--steps", 3, *more)

    refused(train("--network", "my_nets:Maps"), "returns a tensor (2, 4, 14, 14)")
    refused(train("--weights", tmp_path / "no.safetensors"), "no.safetensors: no such file")
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    refused(train("--weights", tmp_path / "w.safetensors"), "a are not in the network")
    refused(train("--weights", "pretrained"), "'convolutional' has no pretrained weights, expected the network eff")
    frozen = ("--set", "adapt.tune=frozen", "--adapt", "dann")
    refused(train("--network", "my_nets:Plain", *frozen, "--set", "adapt.bottleneck=0"), "Leave adapt.bottleneck out")
    assert not (tmp_path / "run").exists()
    code, _, err = train("--network", "my_nets:Plain", *frozen)
    assert code == 0, err
    assert "network: my_nets:Plain, weights none, tune frozen, bottleneck 256 (--set adapt.tune=last" in err
    kept = yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())["route"]["adapt"]
    assert (kept["network"], kept["tune"], kept["bottleneck"]) == ("my_nets:Plain", "frozen", 256)
    assert synth2real("predict", tmp_path / "run", photos, "--out", tmp_path / "p.csv", "--trust")[0] == 0


def test_a_class_in_the_present_folder_is_found(synth2real, tmp_path, monkeypatch) -> None:
    code = "from torch import nn\n\nclass Net(nn.Linear):\n    def __init__(self):\n        super().__init__(5, 3)\n"
    (tmp_path / "nets_of_here.py").write_text(code)
    np.savez(tmp_path / "a.npz", features=np.random.default_rng(0).normal(size=(40, 5)), labels=np.arange(40) % 2)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path)
    arguments = ("--target", "a.npz", "--out", "run", "--steps", 2, "--network", "nets_of_here:Net")
    code, _, err = synth2real("train", "a.npz", *arguments)
    assert code == 0, err
