import math

import pytest
import torch

from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.simulate import Nuclei
from synth2real.simulate.nuclei.layout import MOST

# Plain nuclei on black: round, of one size and light, and nothing else. Each test changes only what it tests.
PLAIN = {parameter.name: 0.0 for parameter in Nuclei.parameters if parameter.limits[0] == 0}
PLAIN |= {"field": 100, "diameter": 12, "elongation": 1, "clump": 2, "brightness": 100, "halo_width": 5, "grain": 1}
PLAIN |= {"spot": 2, "far_width": 8, "speck": 1, "photons": 10_000, "crowding": 0.15}


def made(n=20, seed=0, size=(128, 128), **changes):
    return Nuclei(size=size, ranges={**PLAIN, **changes}).sample(n, seed)


def test_instances_masks_and_boxes_agree():
    seen = Nuclei(size=(96, 120)).sample(30, 3)
    assert (seen.instances > 0).equal(seen.masks["nucleus"])
    assert (~seen.masks["background"]).equal(seen.masks["nucleus"])
    assert seen.instances.dtype == torch.int32
    assert seen.boxes.counts.tolist() == seen.labels["count"][:, 0].tolist() == seen.instances.amax((1, 2)).tolist()
    assert torch.allclose(seen.labels["cover"][:, 0], seen.masks["nucleus"].float().mean((1, 2)))
    assert not seen.boxes.classes.any()
    for i in range(30):
        box = seen.boxes[torch.tensor([i])].corners
        for j in range(len(box)):
            y, x = (seen.instances[i] == j + 1).nonzero().T
            assert box[j].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.mark.parametrize(("diameter", "elongation"), [(40, 1), (40, 2.5), (60, 1.5)])
def test_a_nucleus_covers_the_area_of_its_ellipse(diameter, elongation):
    seen = made(60, diameter=diameter, elongation=elongation, crowding=0.01, field=200, size=(200, 200))
    whole = (seen.boxes.corners > 0).all(1) & (seen.boxes.corners < 200).all(1)
    areas = torch.cat([torch.bincount(one.flatten())[1:] for one in seen.instances])[whole]
    lonely = seen.boxes.counts[seen.boxes.image][whole] == 1
    assert lonely.sum() >= 4
    assert torch.allclose(areas[lonely].float(), torch.tensor(math.pi / 4 * diameter**2), rtol=0.03)


def test_the_cover_follows_the_crowding():
    for crowding in (0.05, 0.2):
        assert made(60, crowding=crowding).labels["cover"].mean() == pytest.approx(crowding, rel=0.12)


def test_light_adds_up_where_nuclei_overlap():
    clumped = {"clumping": 1, "clump": 6, "crowding": 0.3, "size_spread": 0.1}
    levels = [set(made(10, **clumped, overlap=overlap).images.unique().tolist()) for overlap in (0, 1)]
    assert {0, 100, 200, 255} <= levels[1]
    assert 255 not in levels[0], "three nuclei in each other"


def test_without_overlap_neighbours_are_apart():
    seen = made(20, crowding=0.2, clumping=0.7, clump=5)
    whole = (seen.boxes.corners > 0).all(1) & (seen.boxes.corners < 128).all(1)
    areas = torch.cat([torch.bincount(one.flatten())[1:] for one in seen.instances])[whole]
    full = math.pi / 4 * (12 * 1.28) ** 2
    assert (areas > 0.8 * full).float().mean() > 0.9


@pytest.mark.parametrize("crowding", [0, 0.0005])
def test_an_image_may_have_no_nucleus(crowding):
    seen = Nuclei(size=(32, 40), ranges={"crowding": crowding}).sample(9, 0)
    empty = seen.boxes.counts == 0
    assert empty.all() if crowding == 0 else empty.any()
    assert not seen.instances[empty].any()
    assert seen.labels["cover"][empty].sum() == 0
    assert seen.images.float().std() > 0


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", [parameter.name for parameter in Nuclei.parameters])
def test_every_limit_gives_finite_images(name, end):
    limit = next(parameter.limits[end] for parameter in Nuclei.parameters if parameter.name == name)
    nuclei = Nuclei(size=(24, 32), ranges={name: limit, "crowding": limit if name == "crowding" else 0.3})
    generator = torch.Generator().manual_seed(0)
    values = {key: value[:6] for key, value in nuclei._values(generator, 6).items()}
    drawn = nuclei.render(values, generator)
    assert drawn.images.isfinite().all()
    assert ((drawn.images >= 0) & (drawn.images <= 1)).all()
    assert drawn.boxes.counts.max() <= MOST


@pytest.mark.parametrize("size", [(16, 16), (16, 90), (33, 47), (512, 512)])
def test_any_size_is_rendered(size):
    nuclei = Nuclei(size=size, channels=3)
    seen = nuclei.sample(3, 0)
    assert seen.images.shape == (3, 3, *size)
    assert seen.images[:, 0].equal(seen.images[:, 2])
    assert seen.instances.shape == (3, *size)
    assert 1 <= nuclei.chunk <= 200


def test_a_larger_size_shows_the_same_scene():
    scenes = [Nuclei(size=size, ranges={**PLAIN, "elongation": 1.6, "lobes": 0.1}) for size in ((64, 80), (128, 160))]
    values = {name: value[:8] for name, value in scenes[0]._values(torch.Generator().manual_seed(0), 8).items()}
    small, large = (scene.render(values, torch.Generator().manual_seed(1)) for scene in scenes)
    assert torch.allclose(small.labels["cover"], large.labels["cover"], atol=0.01)
    agree = small.masks["nucleus"] == large.masks["nucleus"].float().unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4)).ge(
        0.5
    )
    assert agree.float().mean() > 0.98
    grey = torch.nn.functional.avg_pool2d(large.images, 2)
    assert (small.images - grey).abs().mean() < 0.02


def test_the_same_seed_gives_the_same_objects_and_a_shorter_sample_is_the_first_part():
    nuclei = Nuclei(size=(64, 64))
    long, short = nuclei.sample(nuclei.chunk + 5, 7), nuclei.sample(nuclei.chunk + 2, 7)
    part = torch.arange(nuclei.chunk + 2)
    assert long.instances[part].equal(short.instances)
    assert long.boxes[part].corners.equal(short.boxes.corners)
    assert long.boxes[part].offsets.equal(short.boxes.offsets)
    assert not nuclei.sample(4, 8).images.equal(short.images[:4])


def test_light_without_a_label_changes_no_label():
    bare = made(20)
    cluttered = made(20, far=2, far_light=1, cytoplasm=1, processes=1, fibres=1, specks=60, rings=8, speck_light=4,
                     ring_light=2, glow=1, halo=0.5)  # fmt: skip
    assert bare.instances.equal(cluttered.instances)
    assert (cluttered.images.float() - bare.images.float()).abs().mean() > 20


EFFECTS = ("texture", "spots", "nucleoli", "rim", "dome", "defocus", "far", "cytoplasm", "fibres", "specks", "rings")


@pytest.mark.parametrize("name", [*EFFECTS, "glow", "vignette", "blur", "halo", "read_noise", "dark"])
def test_every_effect_is_visible(name):
    lights = {"far_light": 0.5, "speck_light": 1, "ring_light": 0.5, "crowding": 0.25}
    high = next(parameter.limits[1] for parameter in Nuclei.parameters if parameter.name == name)
    without, with_it = made(10, **lights), made(10, **lights | {name: min(high, 20)})
    assert (without.images.float() - with_it.images.float()).abs().mean() > 0.03


def test_brightness_spans_two_orders_of_magnitude():
    seen = Nuclei().sample(150, 0)
    brightest = seen.images.flatten(1).float().quantile(0.999, 1) - seen.images.flatten(1).float().median(1).values
    assert brightest.min() < 20
    assert brightest.max() > 230


def test_labels_are_masks_boxes_or_values():
    nuclei = Nuclei(size=(48, 64))
    seen, masks, boxes = nuclei.sample(5, 1), nuclei.labelled(5, 1), nuclei.labelled(5, 1, "boxes")
    assert "4 labels: count, cover, mask, ..." in repr(nuclei)
    assert isinstance(masks.labels, Masks)
    assert masks.classes == ("background", "nucleus")
    assert (masks.labels.tensor == 1).equal(seen.masks["nucleus"])
    assert isinstance(boxes.labels, Boxes)
    assert boxes.classes == ("nucleus",)
    assert boxes.labels.corners.equal(seen.boxes.corners)
    values = nuclei.labelled(5, 1, ["count", "cover"])
    assert values.columns == ("count", "cover")
    assert values.labels[:, 0].equal(seen.labels["count"][:, 0])
    given = nuclei.labelled(5, 1, "mask", given=["field"])
    assert given.given[:, 0].equal(seen.parameters["field"])
    with pytest.raises(InputError, match="simulator nuclei: label 'mask' is among others, expected it alone"):
        nuclei.labelled(5, 1, ["mask", "count"])
    with pytest.raises(InputError, match="has no label 'masks', expected one of: count, cover, mask, boxes"):
        nuclei.labelled(5, 1, "masks")


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="simulator nuclei: field is 5, expected a number or"):
        Nuclei(ranges={"field": 5})
    with pytest.raises(InputError, match="simulator nuclei has no parameter 'cells'"):
        Nuclei(ranges={"cells": 5})
