"""RandAugment and TrivialAugment: few operations an image, and labels that go with it."""

from pathlib import Path

import pytest
import torch

from helpers import picture, save
from synth2real import Route, Unlabelled
from synth2real.errors import InputError
from synth2real.randomize import Full, Photometric, RandAugment, TrivialAugment
from synth2real.randomize.augment import OPERATIONS
from synth2real.simulate import Digits
from synth2real.tasks import Classification, Keypoints

COUNT = 64
MOVING = {  # what moves pixels, and the camera, which must not
    "rotation": 30.0,
    "scale": 0.3,
    "aspect": 0.3,
    "shear": 0.3,
    "shift": 0.2,
    "elastic": 0.08,
    "mirror": 0.5,
    "motion": 0.15,
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dot(side: int, xy: torch.Tensor) -> torch.Tensor:
    """(N, 1, side, side), a bright dot of 1.5 pixels at xy (N, 2) on mid-grey."""
    grid = torch.arange(float(side))
    squared = (grid - xy[:, :1])[:, None, :] ** 2 + (grid - xy[:, 1:])[:, :, None] ** 2
    return (0.3 + 0.6 * torch.exp(-squared / (2 * 1.5**2)))[:, None]


@pytest.mark.parametrize(
    ("policy", "count"), [(TrivialAugment(), 1), (RandAugment(), 2), (RandAugment(operations=4), 4)]
)
def test_each_image_takes_as_many_operations_as_asked(policy: RandAugment, count: int) -> None:
    policy = policy.settled(Classification(("a", "b")))
    chosen = policy._chosen(2000, generator())
    taken = torch.stack(list(chosen.values())).sum(0)
    assert set(taken.tolist()) == {count - 1, count}  # one may be the identity
    assert set(chosen) == set(OPERATIONS) - {"mirror", "crop"}  # classes are not mirrored, and a crop is a choice
    shares = torch.stack(list(chosen.values())).float().mean(1)
    assert (shares - count / (len(chosen) + 1)).abs().max() < 0.04


def test_the_default_is_full_strength_without_forbidden_operations() -> None:
    values = TrivialAugment().settled(Keypoints(("a_x", "a_y", "b_x", "b_y"), (32, 32)))
    assert values.strength == 1.0
    assert not {"mirror", "inversion", "solarization"} & set(values._chosen(4, generator()))
    assert RandAugment(strength=0.4).settled(Classification(("a", "b"))).strength == 0.4


@pytest.mark.parametrize("name", [*MOVING, "all"])
def test_a_point_and_its_dot_land_in_one_place(name: str) -> None:
    """After the policy at full strength, the dot's weighted centre is at the position from `warp.points`."""
    side, grid = 48, torch.arange(48.0)
    on = MOVING if name == "all" else {name: MOVING[name]}
    policy = Full(strength=1.0, **{**dict.fromkeys(OPERATIONS, 0.0), **on})
    xy = 16 + 16 * torch.rand(COUNT, 2, generator=generator(1))
    y, warp = policy.draw(dot(side, xy), generator(2))
    assert warp is not None
    landed = warp.points(xy[:, None])[:, 0]
    seen = ((landed > 9) & (landed < side - 10)).all(1)
    weight = (y - y.flatten(1).median(1).values.view(-1, 1, 1, 1)).abs()[:, 0]
    centre = torch.stack([(weight.sum(1) * grid).sum(1), (weight.sum(2) * grid).sum(1)], 1)
    apart = (centre / weight.sum((1, 2))[:, None] - landed).norm(dim=1)[seen]
    assert seen.sum() > COUNT / 2
    assert apart.max() < 0.5


@pytest.mark.parametrize("name", ["background", "occluder", "texture", "motion", "shot", "jpeg"])
def test_an_operation_that_is_off_uses_no_random_numbers(name: str) -> None:
    x = torch.rand(4, 3, 28, 28)
    on, off = Photometric(**{name: 0.5}), Photometric()  # type: ignore[arg-type]
    assert not torch.equal(on.draw(x, generator())[0], off.draw(x, generator())[0])
    a, b = generator(), generator()
    Photometric().draw(x, a)
    off.draw(x, b)
    assert torch.equal(a.get_state(), b.get_state())


def test_a_folder_of_pictures_that_is_none_is_refused_before_anything_is_trained() -> None:
    route, data = Route(randomize=Photometric(background=1.0, pictures="nowhere")), Digits(size=(8, 8))
    with pytest.raises(InputError, match=r"randomize\.pictures: nowhere: no such folder or file"):
        route.check(data, Unlabelled(data.labelled(4, 0).inputs), task=Classification(tuple("0123456789")))


def test_pictures_come_from_a_folder(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i, (20, 20), 3))
    x = torch.rand(8, 3, 28, 28)
    seen = Photometric(background=1.0, pictures=str(tmp_path)).draw(x, generator())[0]
    assert not torch.equal(seen, Photometric(background=1.0).draw(x, generator())[0])
