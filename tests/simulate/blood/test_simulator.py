import math

import pytest
import torch

from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.simulate import Blood
from synth2real.simulate.blood.layout import PLATELET, RED, SLOTS, WHITE

# Plain red cells on an even light, and nothing else. Each test changes only what it tests.
PLAIN = {parameter.name: 0.0 for parameter in Blood.parameters if parameter.limits[0] <= 0 <= parameter.limits[1]}
PLAIN |= {"field": 48, "crowding": 0.3, "stack": 2, "step": 0.8, "red_diameter": 7.5, "pallor_width": 0.5}
PLAIN |= {"red_density": 0.3, "red_in_red": 0.5, "red_in_blue": 0.8, "white_size": 1, "nucleus_density": 0.8}
PLAIN |= {"platelet_diameter": 2.4, "platelet_density": 0.5, "platelet_softness": 0.5, "light": 200, "cytoplasm": 1}


def made(n=12, seed=0, size=(120, 160), channels=3, **changes):
    return Blood(size=size, channels=channels, ranges={**PLAIN, **changes}).sample(n, seed)


def test_the_plain_scene_has_every_parameter():
    assert set(PLAIN) == {parameter.name for parameter in Blood.parameters}


def test_instances_masks_and_boxes_agree():
    seen = Blood().sample(30, 3)
    shown = torch.stack(list(seen.masks.values())).sum(0)
    assert (shown == 1).all(), "the regions cover the image, each pixel once"
    assert seen.instances.dtype == torch.int32
    assert seen.boxes.counts.tolist() == seen.instances.amax((1, 2)).tolist()
    assert seen.labels["count"].sum(1).tolist() == seen.boxes.counts.tolist()
    assert not (seen.instances > 0)[seen.masks["background"]].any()
    region = seen.region_index()
    for i in range(30):
        boxes = seen.boxes[torch.tensor([i])]
        for j, (corners, kind) in enumerate(zip(boxes.corners, boxes.classes, strict=True)):
            own = seen.instances[i] == j + 1
            assert (region[i][own] == kind + 1).all()
            y, x = own.nonzero().T
            left, top, right, bottom = corners.tolist()
            assert left <= x.min() < x.max() + 1 <= right
            assert top <= y.min() < y.max() + 1 <= bottom
    assert (seen.boxes.corners >= 0).all()
    assert (seen.boxes.corners <= torch.tensor([160, 120, 160, 120])).all()


def test_a_box_is_around_the_whole_cell_also_where_others_cover_it():
    seen = made(40, crowding=0.5, overlap=0.4)
    corners = seen.boxes.corners
    whole = (corners > 0).all(1) & (corners < torch.tensor([160, 120, 160, 120])).all(1)
    sides = (corners[:, 2:] - corners[:, :2])[whole]
    assert whole.sum() > 200
    assert torch.allclose(sides, torch.tensor(25.0), atol=1.01), "7.5 µm of 48 µm in 160 pixels"


@pytest.mark.parametrize(
    ("name", "kind"), [("red_margin", RED), ("white_margin", WHITE), ("platelet_margin", PLATELET)]
)
def test_a_margin_widens_the_boxes_of_its_class_within_the_frame(name, kind):
    cells = {"crowding": 0.2, "white": 2, "platelets": 5}
    tight, loose = made(**cells), made(**cells, **{name: 0.6})
    assert tight.images.equal(loose.images)
    assert tight.instances.equal(loose.instances)
    grown = tight.boxes.corners + torch.where(
        (tight.boxes.classes == kind)[:, None], torch.tensor([-2.0, -2, 2, 2]), 0.0
    )
    frame = torch.tensor([160.0, 120, 160, 120])
    assert torch.allclose(loose.boxes.corners, torch.minimum(grown.clamp(min=0), frame), atol=1e-4)


def test_densities_of_layers_add_up_as_light_falls_exponentially():
    levels = made(20, crowding=0.6, overlap=0.5).images[:, 1].unique().tolist()
    assert {200, round(200 * math.exp(-0.3)), round(200 * math.exp(-0.6))} <= set(levels)
    flat = made(20, crowding=0.6, overlap=0.5, flattening=1).images[:, 1]
    assert flat.min() >= round(200 * math.exp(-0.3))


def test_colours_are_those_of_the_stain():
    red, green, blue = made(4, crowding=0.05).images.amin((0, 2, 3)).tolist()
    for level, ratio in ((red, 0.5), (green, 1.0), (blue, 0.8)):
        assert level == round(200 * math.exp(-0.3 * ratio))


def test_pallor_thins_the_middle_of_red_cells():
    whole, pale = made(8, crowding=0.05), made(8, crowding=0.05, pallor=1)
    box = pale.boxes[torch.arange(8)]
    middle = ((box.corners[:, :2] + box.corners[:, 2:]) / 2).long()
    inside = (box.corners > 0).all(1) & (box.corners < torch.tensor([160, 120, 160, 120])).all(1)
    at = (box.image[inside], 1, middle[inside, 1], middle[inside, 0])
    assert (pale.images[at] > 195).all()
    assert (whole.images[at] < 155).all()


def test_without_overlap_red_cells_are_apart_and_in_stacks_they_are_near():
    def nearest(**changes):
        boxes = made(20, crowding=0.3, **changes).boxes
        found = []
        for i in range(20):
            one = boxes[torch.tensor([i])].corners
            one = one[(one > 0).all(1) & (one < torch.tensor([160, 120, 160, 120])).all(1)]
            centre = (one[:, :2] + one[:, 2:]) / 2
            if len(centre) > 1:
                found.append((torch.cdist(centre, centre) + 1e3 * torch.eye(len(centre))).amin(1))
        return torch.cat(found)

    assert nearest().quantile(0.05) > 23
    assert nearest(stacking=1, stack=5, step=0.4).median() < 16


@pytest.mark.parametrize("crowding", [0, 0.0005])
def test_an_image_may_have_no_cell(crowding):
    seen = made(9, crowding=crowding)
    empty = seen.boxes.counts == 0
    assert empty.all() if crowding == 0 else empty.any()
    assert not seen.instances[empty].any()
    assert seen.masks["background"][empty].all()


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", [parameter.name for parameter in Blood.parameters])
def test_every_limit_gives_finite_images(name, end):
    limit = next(parameter.limits[end] for parameter in Blood.parameters if parameter.name == name)
    blood = Blood(size=(24, 32), ranges={"white": 1, "platelets": 5, name: limit})
    generator = torch.Generator().manual_seed(0)
    values = {key: value[:6] for key, value in blood._values(generator, 6).items()}
    drawn = blood.render(values, generator)
    assert drawn.images.isfinite().all()
    assert ((drawn.images >= 0) & (drawn.images <= 1)).all()
    assert drawn.boxes.counts.max() <= sum(SLOTS)


@pytest.mark.parametrize("size", [(16, 16), (16, 90), (33, 47), (480, 640)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_is_rendered(size, channels):
    blood = Blood(size=size, channels=channels)
    seen = blood.sample(2, 0)
    assert seen.images.shape == (2, channels, *size)
    assert seen.instances.shape == (2, *size)
    assert 1 <= blood.chunk <= 200


def test_a_larger_size_shows_the_same_scene():
    ranges = {**PLAIN, "white": 1, "platelets": 3, "elongation": 0.3, "unevenness": 0.1}
    scenes = [Blood(size=size, ranges=ranges) for size in ((60, 80), (120, 160))]
    values = {name: value[:8] for name, value in scenes[0]._values(torch.Generator().manual_seed(0), 8).items()}
    small, large = (scene.render(values, torch.Generator().manual_seed(1)) for scene in scenes)
    assert (small.images - torch.nn.functional.avg_pool2d(large.images, 2)).abs().mean() < 0.02
    agree = small.masks["RBC"] == large.masks["RBC"][:, ::2, ::2]
    assert agree.float().mean() > 0.95


def test_the_same_seed_gives_the_same_bits_and_a_shorter_sample_is_the_first_part():
    blood = Blood(size=(60, 80))
    long, short = blood.sample(blood.chunk + 5, 7), blood.sample(blood.chunk + 2, 7)
    part = torch.arange(blood.chunk + 2)
    assert long.images[part].equal(short.images)
    assert long.instances[part].equal(short.instances)
    assert long.boxes[part].corners.equal(short.boxes.corners)
    assert not blood.sample(4, 8).images.equal(short.images[:4])


def test_what_has_no_label_changes_no_label():
    cells = {"white": 2, "platelets": 4}
    bare = made(**cells)
    cluttered = made(**cells, dust=30, dust_density=0.5, specks=200, refractile=1, vignette=0.3, gradient=0.1,
                     blur=0.3, noise=4, fringe=1, chromatic=0.3)  # fmt: skip
    assert bare.instances.equal(cluttered.instances)
    assert bare.boxes.corners.equal(cluttered.boxes.corners)
    assert (cluttered.images.float() - bare.images.float()).abs().mean() > 5


EFFECTS = ("stacking", "overlap", "red_spread", "elongation", "unevenness", "pallor", "red_spread_of_density", "white")
OF_WHITE = ("cytoplasm", "chromatin", "nucleus_in_blue", "granules", "platelets", "refractile", "dust", "specks")
CAMERA = ("warmth", "coolness", "vignette", "gradient", "blur", "fringe", "chromatic", "noise")


@pytest.mark.parametrize("name", [*EFFECTS, *OF_WHITE, *CAMERA])
def test_every_effect_is_visible(name):
    others = {"white": 2, "dust_density": 0.3}
    high = next(parameter.limits[1] for parameter in Blood.parameters if parameter.name == name)
    without, with_it = made(10, **others | {name: 0}), made(10, **others | {name: min(high, 20)})
    assert (without.images.float() - with_it.images.float()).abs().mean() > 0.03


def test_every_class_is_common_enough_to_be_learnt():
    count = Blood().sample(100, 1).labels["count"]
    red, white, platelets = count.mean(0).tolist()
    assert 10 < red < 40
    assert 0.7 < white < 3
    assert 2 < platelets < 10


def test_white_cells_have_dark_violet_nuclei():
    seen = made(20, crowding=0, white=2)
    inside = seen.masks["WBC"][:, None].expand(-1, 3, -1, -1)
    red, green, blue = (seen.images[:, i][inside[:, i]].float() for i in range(3))
    assert green.quantile(0.2) < 110
    assert (blue > green).float().mean() > 0.9
    assert red.quantile(0.2) > 150, "no density in red light is asked for"


def test_labels_are_boxes_masks_or_counts():
    blood = Blood(size=(60, 80))
    seen, boxes, masks = blood.sample(5, 1), blood.labelled(5, 1), blood.labelled(5, 1, "mask")
    assert "3 labels: count, mask, boxes" in repr(blood)
    assert isinstance(boxes.labels, Boxes)
    assert boxes.classes == ("RBC", "WBC", "Platelets")
    assert boxes.labels.corners.equal(seen.boxes.corners)
    white = blood.labelled(5, 1, "boxes:WBC")
    assert white.classes == ("WBC",)
    assert white.labels.corners.equal(seen.boxes.corners[seen.boxes.classes == 1])
    assert isinstance(masks.labels, Masks)
    assert masks.classes == ("background", "RBC", "WBC", "Platelets")
    counts = blood.labelled(5, 1, "count", given=["field"])
    assert counts.columns == ("red_cells", "white_cells", "platelets")
    assert counts.given[:, 0].equal(seen.parameters["field"])


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="simulator blood: field is 5, expected a number or"):
        Blood(ranges={"field": 5})
    with pytest.raises(InputError, match="simulator blood has no parameter 'cells'"):
        Blood(ranges={"cells": 5})
