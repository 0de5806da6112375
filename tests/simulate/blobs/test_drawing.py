import math

import pytest
import torch

from synth2real.simulate.blobs.drawing import TILE, Blobs, drawn, front, noise_at, pixels, rising, tile

SIZE = (40, 60)


def blob(x=30.0, y=20.0, long=12.0, short=6.0, angle=0.5, edge=1.0, light=1.0, bend=0.0, waves=(0, 0, 0, 0), image=0):
    floats = (torch.tensor([value]) for value in (x, y, long, short, angle, edge, light, bend))
    return Blobs(torch.tensor([image]), *floats, torch.tensor([waves], dtype=torch.float32))


def joined(*parts):
    return Blobs(*(torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def inside(blobs, size=SIZE):
    """(H, W) bool, the inside of the one blob."""
    at = pixels(blobs, size)
    mask = torch.zeros(size[0] * size[1], dtype=torch.bool)
    mask[at.place[at.depth > 0]] = True
    return mask.view(size)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, 3.0])
def test_an_ellipse_has_its_area_its_centre_and_its_angle(angle):
    size = (200, 240)
    mask = inside(blob(120.3, 90.6, 70, 31, angle), size)
    assert mask.sum() == pytest.approx(math.pi * 70 * 31, rel=0.005)
    place = mask.nonzero().flip(1).float()
    assert torch.allclose(place.mean(0), torch.tensor([120.3, 90.6]), atol=0.1)
    long = torch.linalg.eigh(torch.cov(place.T)).eigenvectors[:, 1]
    assert abs(long[0] * math.cos(angle) + long[1] * math.sin(angle)) > 0.999


def test_light_adds_up_where_blobs_overlap():
    first, second = blob(25), blob(33, angle=1.2, light=2.0)
    both = drawn(joined(first, second), (1, *SIZE))
    assert torch.allclose(both, drawn(first, (1, *SIZE)) + drawn(second, (1, *SIZE)))
    assert both.max() == pytest.approx(3)


def test_the_outline_is_at_half_of_the_light():
    light = drawn(blob(edge=6.0, angle=0.0), (1, *SIZE))[0]
    at_the_outline = light[20, [18, 42]]
    assert torch.allclose(at_the_outline, torch.tensor(0.5), atol=0.01)
    assert torch.allclose(
        rising(torch.tensor([-3.0, -1.5, 0, 3]), torch.tensor(6.0)), torch.tensor([0, 0.15625, 0.5, 1])
    )


@pytest.mark.parametrize("waves", [(0.2, 0, 0.1, 0), (0, -0.25, 0, 0.2)])
@pytest.mark.parametrize("bend", [-1.0, 0.0, 0.7])
def test_no_light_is_cut_off_at_the_bounding_box(waves, bend):
    """A wider edge has a larger box; what is inside must not change."""
    narrow, wide = (blob(angle=0.8, bend=bend, waves=waves, edge=edge) for edge in (1e-3, 40.0))
    assert inside(narrow).equal(inside(wide))
    assert inside(narrow).sum() > 100


def test_waves_and_bends_change_the_outline():
    plain = inside(blob())
    for changed in (blob(waves=(0.2, 0, 0, 0)), blob(waves=(0, 0, 0.2, 0)), blob(bend=0.6)):
        assert (inside(changed) ^ plain).sum() > 20
        assert inside(changed).sum() == pytest.approx(plain.sum().item(), rel=0.1)


@pytest.mark.parametrize(("x", "y"), [(-2, 20), (61, 20), (30, -3), (30, 42), (0, 0), (59, 39), (-40, 20), (500, 900)])
def test_blobs_beyond_the_frame_are_cut_off_there(x, y):
    at = pixels(blob(float(x), float(y)), SIZE)
    wide = inside(blob(float(x) + 60, float(y) + 40), (120, 180))
    assert inside(blob(float(x), float(y))).equal(wide[40:80, 60:120])
    assert ((at.place >= 0) & (at.place < SIZE[0] * SIZE[1])).all()


def test_each_blob_is_in_its_image():
    light = drawn(joined(blob(image=0), blob(x=10.0, image=2)), (3, *SIZE))
    assert torch.allclose(light[0], drawn(blob(), (1, *SIZE))[0])
    assert not light[1].any()
    assert torch.allclose(light[2], drawn(blob(x=10.0), (1, *SIZE))[0])
    assert not drawn(blob()[torch.tensor([], dtype=torch.int64)], (3, *SIZE)).any()


def test_a_scaled_blob_covers_the_same_part_of_a_scaled_image():
    large = drawn(blob(edge=4.0), (1, *SIZE))
    small = drawn(blob(edge=4.0).scaled(0.5), (1, 20, 30))
    assert torch.allclose(torch.nn.functional.avg_pool2d(large, 2), small, atol=0.1)


def test_the_noise_is_smooth_and_repeats():
    noise = tile().view(TILE, TILE)
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, abs=1e-4)
    for axis in (0, 1):
        assert (noise - noise.roll(1, axis)).abs().max() < 0.5
    x = torch.linspace(-5, 5, 7)
    assert noise_at(x, x).shape == (7,)
    assert torch.corrcoef(torch.stack([noise.flatten(), noise.roll(48, 0).flatten()]))[0, 1].abs() < 0.1


def test_a_pixel_belongs_to_the_blob_of_the_greatest_height():
    place, index = torch.tensor([20.0, 26, 50]), torch.tensor([0, 0, 0])
    height = torch.tensor([2.0, 1.0, 1.5])
    discs = Blobs.round(index, place, torch.full((3,), 15.0), torch.full((3,), 7.0), torch.ones(3), height)
    at = pixels(discs, (30, 60))
    owner = front(at, height[at.blob], (1, 30, 60))[0]
    assert owner[15, [5, 14, 24, 30, 50]].tolist() == [-1, 0, 0, 1, 2]
    assert (owner == 0).sum() == (owner == 2).sum()
