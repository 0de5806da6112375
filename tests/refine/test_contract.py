"""One contract for every refiner: it is tested by being listed in METHODS."""

import dataclasses

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from helpers import same
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.refine import METHODS, ImageMapping, load_refiner
from synth2real.refine.base import TrainedMapping
from synth2real.settings import build, to_dict
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Progress, SourceBatch, TargetBatch, Trainer

SIZE = (13, 18)  # odd and even, high and wide


def loop(seed: int = 0) -> Loop:
    return Loop(steps=1, batch=8, seed=seed, hardware=Hardware())


def images(count: int, channels: int, seed: int) -> torch.Tensor:
    """Soft random shapes, (N, C, 13, 18) uint8."""
    coarse = torch.rand(count, channels, 4, 5, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)


def domains(channels: int) -> tuple[Labelled, Unlabelled]:
    source = Labelled(images(40, channels, 0), torch.arange(40) % 2)
    return source, Unlabelled((images(30, channels, 1).float() * 0.5 + 90).to(torch.uint8))


def small(name: str) -> ImageMapping:
    kind = METHODS[name]
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    settings = {"steps": 4, "maps": 8, "blocks": 1, "pretrain_critic": 1, "history": 16, "styles": 16}
    method = kind(**{key: value for key, value in settings.items() if key in known})
    assert isinstance(method, ImageMapping)
    return method


def fitted(name: str, channels: int = 1, seed: int = 0) -> ImageMapping:
    return small(name).fit(*domains(channels), loop(seed))


pytestmark = pytest.mark.parametrize("name", METHODS)
both = pytest.mark.parametrize("channels", [1, 3])


def test_settings_survive_a_round_trip(name: str) -> None:
    method = small(name)
    assert build(METHODS, name, to_dict(method)) == method
    assert METHODS[name].name == name


@both
def test_shape_dtype_and_range_stay(name: str, channels: int) -> None:
    refiner, raw = fitted(name, channels), images(9, channels, 5)
    refined = refiner.transform(raw)
    assert (refined.shape, refined.dtype, refined.is_contiguous()) == (raw.shape, torch.uint8, True)
    floats = refiner.transform(raw / 255)
    assert (floats.shape, floats.dtype) == (raw.shape, torch.float32)
    assert 0 <= floats.min() <= floats.max() <= 1
    assert floats.isfinite().all()
    torch.testing.assert_close(floats * 255, refined.float(), atol=0.502, rtol=0)  # the same, but for rounding
    assert raw.equal(images(9, channels, 5)), "the images given are left alone"


@both
def test_the_result_for_an_image_does_not_depend_on_its_batch(name: str, channels: int) -> None:
    refiner, raw = fitted(name, channels), images(12, channels, 5)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([refiner.transform(raw[i : i + 1]) for i in order])
    assert (alone.int() - refiner.transform(raw)[order].int()).abs().max() <= 1


@both
def test_the_same_seed_gives_the_same_bits(name: str, channels: int) -> None:
    raw = images(8, channels, 5)
    state = torch.random.get_rng_state()
    first, again = (fitted(name, channels, seed=3).transform(raw / 255) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.random.get_rng_state()), "the user's own stream is left alone"


@both
def test_saved_and_loaded_refiners_agree(name: str, channels: int, tmp_path) -> None:
    refiner, raw = fitted(name, channels), images(8, channels, 5)
    refiner.save(tmp_path)
    loaded = load_refiner(tmp_path)
    assert loaded == refiner
    assert loaded.shape == (channels, *SIZE)
    same(loaded.transform(raw), refiner.transform(raw), within=2)
    assert yaml.safe_load((tmp_path / "refiner.yaml").read_text())["method"] == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["refiner.safetensors", "refiner.yaml"]


def test_a_damaged_refiner_is_refused(name: str, tmp_path) -> None:
    fitted(name).save(tmp_path)
    kept = load_file(tmp_path / "refiner.safetensors")
    save_file({f"{key}x": value for key, value in kept.items()}, tmp_path / "refiner.safetensors")
    with pytest.raises(InputError, match="is damaged"):
        load_refiner(tmp_path)
    (tmp_path / "refiner.safetensors").unlink()
    with pytest.raises(InputError, match=r"found no refiner\.safetensors, expected a folder from"):
        load_refiner(tmp_path)


def test_features_other_channels_and_other_sizes_are_refused(name: str) -> None:
    labels = torch.tensor([0, 1] * 10)
    with pytest.raises(InputError, match=f"refine {name} needs images, found features of shape"):
        small(name).fit(Labelled(torch.randn(20, 4), labels), Unlabelled(torch.randn(9, 4)), loop())
    four = torch.zeros(20, 4, *SIZE, dtype=torch.uint8)
    with pytest.raises(InputError, match=f"refine {name} takes images of 1 or 3 channels, found 4"):
        small(name).fit(Labelled(four, labels), Unlabelled(four), loop())
    with pytest.raises(InputError, match="expected the same shape in both"):
        small(name).fit(domains(1)[0], domains(3)[1], loop())
    with pytest.raises(InputError, match=rf"refine {name} was trained on images of \(1, 13, 18\).*found \(1, 9, 9\)"):
        fitted(name).transform(torch.zeros(2, 1, 9, 9, dtype=torch.uint8))


def test_tiny_flat_and_single_images_are_served(name: str) -> None:
    flat = torch.full((4, 1, 8, 8), 77, dtype=torch.uint8)
    source, target = Labelled(flat, torch.tensor([0, 1, 0, 1])), Unlabelled(flat[:1])
    assert small(name).fit(source, target, loop()).transform(flat[:1]).shape == (1, 1, 8, 8)


def test_gradients_reach_every_parameter_of_what_an_update_names_and_no_other(name: str) -> None:
    algorithm = small(name)
    if not isinstance(algorithm, TrainedMapping):
        assert not hasattr(algorithm, "networks")  # closed form: nothing is trained
        return
    algorithm.prepare((1, *SIZE), loop())
    with torch.no_grad():  # away from the identity, whose gradient of an absolute value is zero
        for parameter in algorithm.refiner.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    x, y = images(8, 1, 0) / 255, images(8, 1, 1) / 255
    batches = SourceBatch(x, torch.zeros(8).long(), x), TargetBatch(y, y, None)
    for update in algorithm.updates(*batches, Progress(algorithm.all_steps - 1, algorithm.all_steps)):
        named = [(n, p) for network in update.of for n, p in network.named_parameters()]
        others = [
            p for network in algorithm.networks.values() if network not in update.of for p in network.parameters()
        ]
        assert not {id(p) for _, p in named} & {id(p) for p in others}
        gradients = torch.autograd.grad(update.loss(), [p for _, p in named], allow_unused=True)
        for (parameter, _), gradient in zip(named, gradients, strict=True):
            assert gradient is not None, f"{parameter} has no gradient"
            assert gradient.isfinite().all()


def test_a_training_reports_and_can_be_restored(name: str) -> None:
    algorithm = small(name)
    if not isinstance(algorithm, TrainedMapping):
        calls: list[int] = []
        algorithm.fit(*domains(1), loop(), lambda step, terms: calls.append(step))
        assert calls == []
        return
    rows: list[tuple[int, dict[str, float]]] = []
    algorithm.fit(*domains(1), loop(), lambda step, terms: rows.append((step, terms)))
    assert rows[-1][0] == algorithm.all_steps
    assert all(torch.tensor(list(terms.values())).isfinite().all() for _, terms in rows)
    resumed = small(name)
    assert isinstance(resumed, TrainedMapping)
    resumed.prepare((1, *SIZE), loop())
    trainers = [
        Trainer(g, *domains(1), dataclasses.replace(loop(), steps=algorithm.all_steps + 2))
        for g in (algorithm, resumed)
    ]
    trainers[0].step = algorithm.all_steps
    trainers[1].restore(trainers[0].state())
    for trainer in trainers:
        trainer.run()
    expected, found = (trainer.state() for trainer in trainers)
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
