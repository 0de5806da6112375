import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from synth2real.simulate import Digits

# An upright, clean digit in the centre. Each test changes only what it tests.
PLAIN = dict.fromkeys((p.name for p in Digits.parameters if p.limits[0] <= 0), 0)
PLAIN |= {"height": 0.7, "aspect": 1, "stroke": 0.12, "allograph": 0.5, "contrast": 1, "foreground": 1}


def draw(n=100, seed=0, size=(28, 28), channels=1, **changes):
    ranges = {**PLAIN, **changes}
    return Digits(size=size, channels=channels, ranges=ranges).sample(n, seed).images.float() / 255


def box(images):
    """Left, top, right and bottom (N,) edge of the ink, at the edges of pixels."""
    ink = images.amax(1) > 0.25
    across, down = ink.any(1).float(), ink.any(2).float()
    ends = [x.argmax(1) for x in (across, down)] + [x.shape[1] - x.flip(1).argmax(1) for x in (across, down)]
    return torch.stack(ends)


def centre_of_mass(images):
    mass = images.sum((1, 2, 3))
    across = (images.sum((1, 2)) * torch.arange(images.shape[3])).sum(1) / mass
    down = (images.sum((1, 3)) * torch.arange(images.shape[2])).sum(1) / mass
    return torch.stack([across, down])


@pytest.mark.parametrize("size", [(28, 28), (64, 64), (32, 48)])
@pytest.mark.parametrize("height", [0.5, 0.75, 1.0])
def test_height_is_the_longer_side_of_the_ink(size, height):
    left, top, right, bottom = box(draw(size=size, height=height, rotation=20, shear=0.3))
    longer = torch.maximum(right - left, bottom - top)
    assert (longer - height * min(size)).abs().max() <= 1.5 + 0.03 * min(size)


def test_a_digit_as_high_as_the_frame_fits_it():
    images = draw(size=(8, 8), height=1.0)
    assert (images.amax((1, 3))[:, [0, -1]] > 0.15).float().mean() > 0.95, "rows at the edge hold ink"
    assert draw(height=0.7)[:, 0, [0, -1]].max() == 0
    assert draw(height=0.7)[..., [0, -1]].max() == 0


def test_a_wider_pen_leaves_more_ink():
    ink = [draw(stroke=stroke).mean((1, 2, 3)) for stroke in (0.05, 0.1, 0.2)]
    assert torch.all(ink[1] > ink[0])
    assert torch.all(ink[2] > ink[1])


def test_aspect_stretches_the_width():
    narrow, wide = (box(draw(aspect=aspect)) for aspect in (0.6, 1.2))
    ratio = (wide[2] - wide[0]).float() / (narrow[2] - narrow[0])
    assert 1.4 < ratio.median() < 2.1
    assert torch.all(ratio >= 1)


def test_offsets_move_the_digit():
    still, moved = centre_of_mass(draw()), centre_of_mass(draw(offset_x=0.1, offset_y=-0.05))
    assert torch.allclose(moved - still, torch.tensor([[2.8], [-1.4]]), atol=0.12)


def test_centring_puts_box_or_mass_in_the_middle():
    left, top, right, bottom = box(draw(centring=0))
    assert (left + right - 28).abs().max() <= 2
    assert (top + bottom - 28).abs().max() <= 2
    off = {centring: (centre_of_mass(draw(centring=centring)) - 13.5).abs().mean() for centring in (0, 1)}
    assert off[1] < 0.35 < off[0]


def test_rotation_and_shear_lean_right():
    """Clockwise rotation and positive shear move the top to the right: the covariance of x and y (down) decreases."""

    def covariance(**changes):
        images = draw(aspect=0.5, **changes)
        across, down = centre_of_mass(images)
        x, y = torch.arange(28) - across[:, None], torch.arange(28) - down[:, None]
        return torch.einsum("nij,ni,nj->n", images[:, 0], y, x) / images.sum((1, 2, 3))

    assert torch.all(covariance(shear=0.4) < covariance() - 3)
    assert torch.all(covariance(rotation=20) < covariance() - 3)


def test_allograph_picks_other_forms():
    fonts, hands = draw(allograph=0), draw(allograph=1)
    labels = Digits().sample(100, 0).labels["label"]
    stems = [((ones[2] - ones[0]) < 5).any().item() for ones in (box(x[labels == 1]) for x in (fonts, hands))]
    assert stems == [False, True], "a plain stem is no font's"


def test_elastic_and_pressure_distort_moderately():
    for change in ({"elastic": 0.05}, {"pressure": 0.5}):
        difference = (draw(**change) - draw()).abs().mean((1, 2, 3))
        assert torch.all(difference > 0.001)
        assert difference.mean() < 0.15


def test_blur_softens_and_contrast_fills():
    sharp, soft, filled = draw(), draw(blur=1.5), draw(blur=1.5, contrast=2)
    assert torch.allclose(sharp.sum((1, 2, 3)), soft.sum((1, 2, 3)), rtol=0.03)
    assert torch.all(soft.square().sum((1, 2, 3)) < sharp.square().sum((1, 2, 3)))
    assert torch.all(filled.sum((1, 2, 3)) > 1.3 * soft.sum((1, 2, 3)))


def test_tones_and_noise_have_the_requested_values():
    images = draw(foreground=0.2, background=0.8, stroke=0.2)
    assert (images.amax() - 0.8).abs() < 0.01
    assert (images.amin() - 0.2).abs() < 0.01
    noisy = draw(foreground=0.5, background=0.5, noise=0.1)
    assert abs(noisy.std() - 0.1) < 0.003
    assert abs(noisy.mean() - 0.5) < 0.003


def test_three_channels_are_grey_only_without_colour():
    grey, coloured = (draw(channels=3, background=0.5, colour=colour) for colour in (0, 0.3))
    assert grey.shape == (100, 3, 28, 28)
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.equal(grey[:, :1], draw(background=0.5))
    spread = coloured[:, 0, 0, 0] - coloured[:, 1, 0, 0]
    assert 0.1 < spread.abs().mean() < 0.3
    assert spread.abs().max() <= 0.6


@pytest.mark.parametrize("side", [8, 16, 28, 64])
def test_no_stroke_is_lost_at_any_size(side):
    made = Digits(size=(side, side)).sample(600, 1)
    images = made.images.float().flatten(1) / 255
    assert made.images.shape == (600, 1, side, side)
    assert made.images.dtype == torch.uint8
    assert (images.amax(1) - images.amin(1)).min() > 0.25
    # Thin pens at a small size: each digit has as much ink in the small image as in the large one.
    thin, large = (draw(size=(s, s), stroke=0.1).mean((1, 2, 3)) for s in (side, 56))
    assert torch.allclose(thin, large, rtol=0.25)


def test_classes_are_balanced_and_separable():
    made = Digits().sample(3000, 0)
    assert torch.bincount(made.labels["label"]).tolist() == [300] * 10
    x = torch.nn.functional.avg_pool2d(made.images.float() / 255, 2).flatten(1).numpy()
    y = made.labels["label"].numpy()
    score = RidgeClassifier().fit(x[:2400], y[:2400]).score(x[2400:], y[2400:])
    assert score > 0.6
