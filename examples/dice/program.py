"""A simulator of its own, as Blender or Unity would be one: reads parameters, writes images and the boxes in them.

It draws dice seen from above; the class of a box is the number of pips on top. It knows nothing of synth2real:
`python program.py parameters.yaml folder` writes `0.png` and so on, and their boxes to `annotations.json` (COCO).
"""

import colorsys
import json
import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image, ImageDraw, ImageFilter

FINE = 3  # side of the image in which dice are drawn, per side of the image that is written
PIPS = {
    1: [(0, 0)],
    2: [(-1, -1), (1, 1)],
    3: [(-1, -1), (0, 0), (1, 1)],
    4: [(-1, -1), (-1, 1), (1, -1), (1, 1)],
    5: [(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)],
    6: [(-1, -1), (-1, 0), (-1, 1), (1, -1), (1, 0), (1, 1)],
}
LUMA = np.array([0.299, 0.587, 0.114])
CIRCLE = np.stack([np.cos(np.arange(16) * np.pi / 8), np.sin(np.arange(16) * np.pi / 8)], 1)
ROUND = np.linspace(0, np.pi / 2, 5)  # angles along a round corner


def main(parameters: Path, out: Path) -> None:
    """One image for each value of the parameters."""
    asked = yaml.safe_load(parameters.read_text())
    random = np.random.default_rng(asked["seed"])
    height, width = asked["size"]
    drawn = asked["parameters"]
    images, annotations = [], []
    for i in range(asked["n"]):
        of = {name: values[i] for name, values in drawn.items()}
        picture, boxes = scene(of, height, width, random)
        picture = picture if asked["channels"] == 3 else picture.convert("L")
        picture.save(out / f"{i}.png", compress_level=1)
        images.append({"id": i, "file_name": f"{i}.png", "width": width, "height": height})
        for pips, box in boxes:
            annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": pips, "bbox": box})
    categories = [{"id": pips, "name": str(pips)} for pips in PIPS]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (out / "annotations.json").write_text(json.dumps(content))


def scene(of, height, width, random):
    """The image of some dice, and for each the number of pips and its box: left, top, width and height."""
    places = positions(of, np.array([width, height]), random)
    turns = random.uniform(0, 2 * np.pi, len(places))
    ground = shaded(table(of, (width, height), random), places, turns, of, random)
    picture = ground.resize((width * FINE, height * FINE), Image.BILINEAR)
    draw, boxes = ImageDraw.Draw(picture, "RGBA"), []
    of = {**of, "way": random.uniform(0, 2 * np.pi)}  # in which the camera is tilted
    palettes = [colours(random) for _ in range(4)]
    for place, turn in zip(places, turns, strict=True):
        pips, palette = int(random.integers(1, 7)), palettes[random.integers(4)]
        outline = die(draw, place * FINE, turn, pips, palette, of, picture.size, random) / FINE
        margin = of["margin"] * place[2]
        left, top = (outline.min(0) - margin).clip(0)
        right, bottom = np.minimum(outline.max(0) + margin, (width, height))
        if right - left > 1 and bottom - top > 1:
            boxes.append((pips, [round(float(value), 2) for value in (left, top, right - left, bottom - top)]))
    return photograph(picture, of, (width, height), random), boxes


def positions(of, size, random):
    """Place and side in pixels of each die, none on another: (K, 3)."""
    heap, found = random.uniform(0.3, 0.7, 2) * size, []
    for _ in range(int(of["dice"])):
        side = of["side"] * size[0] * (1 + of["spread"] * random.uniform(-1, 1))
        for _ in range(20):
            anywhere = random.uniform(0.03, 0.97, 2) * size
            near = heap + random.normal(0, 0.12, 2) * size
            x, y = near if random.random() < of["gathered"] else anywhere
            if all(np.hypot(x - other[0], y - other[1]) > 0.62 * (side + other[2]) for other in found):
                found.append((x, y, side))
                break
    return np.array(found).reshape(-1, 3)


def colours(random):
    """Of a die, of the clouds in it and of its pips, RGB in 0..1."""
    hue, grey = random.random(), random.random()
    body = np.array(colorsys.hsv_to_rgb(hue, random.uniform(0.5, 1), random.uniform(0.25, 0.95)))
    if grey < 0.4:
        body = np.full(3, random.choice([random.uniform(0.02, 0.2), random.uniform(0.8, 0.98)]))
    dark = body @ LUMA < 0.5
    plain = np.full(3, random.uniform(0.85, 1) if dark else random.uniform(0, 0.15))
    bright = np.array(colorsys.hsv_to_rgb(random.random(), 0.9, random.uniform(0.5, 0.95) if dark else 0.5))
    seen = abs(bright - body).max() > 0.2
    other = np.array(colorsys.hsv_to_rgb(hue + random.normal(0, 0.1), random.uniform(0.3, 1), random.uniform(0.1, 0.9)))
    clouds = other if random.random() < 0.4 else body
    return body, clouds, bright if seen and random.random() < 0.45 else plain


def corners(side, roundness):
    """(K, 2) the outline of a face, around 0."""
    radius, half = roundness * side, side / 2
    arcs = []
    for k in range(4):
        way = ROUND + k * np.pi / 2
        centre = (half - radius) * np.sqrt(2) * np.array([np.cos((k + 0.5) * np.pi / 2), np.sin((k + 0.5) * np.pi / 2)])
        arcs.append(centre + radius * np.stack([np.cos(way), np.sin(way)], 1))
    return np.concatenate(arcs)


def turned(points, turn):
    return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


def die(draw, place, turn, pips, palette, of, size, random):
    """Draw one die at `place` (x, y, side); its outline (K, 2). Its top is farther from the middle than its foot."""
    (body, clouds, spots), middle, side = palette, place[:2], place[2]
    body = np.clip(body * random.uniform(0.85, 1.1) + random.normal(0, 0.02, 3), 0, 1)
    away = (middle - np.array(size) / 2) / (max(size) / 2)
    lifted = (away * of["height"] + of["tilt"] * np.array([np.cos(of["way"]), np.sin(of["way"])])) * side
    face = turned(corners(side, of["roundness"]), turn) + middle
    for share in np.linspace(0, 1, 9)[:-1]:  # the side faces: feet to top, darker
        polygon(draw, face + lifted * share, body * (0.45 + 0.25 * share))
    for way in np.arange(4) * np.pi / 2 + turn:  # pips on the side faces that are seen
        outwards, along = np.array([np.cos(way), np.sin(way)]), np.array([-np.sin(way), np.cos(way)])
        if outwards @ lifted < 0:
            axes = side * along, lifted
            foot = middle + side * 0.5 * outwards + lifted / 2
            dots(draw, foot, axes, int(random.integers(1, 7)), of, of["pip"] / 2, spots * 0.7)
    top = face + lifted
    polygon(draw, top, body * random.uniform(0.8, 1.3))  # the round edges
    polygon(draw, turned(corners(random.uniform(0.8, 0.95) * side, of["roundness"]), turn) + middle + lifted, body)
    axes = turned(side * np.eye(2), turn)
    stains(draw, middle + lifted, axes, (body, clouds), of["mottle"], random)
    large = 1.5 if pips == 1 and random.random() < 0.3 else 1
    dots(draw, middle + lifted, axes, pips, of, large * of["pip"] / 2, spots)
    gloss(draw, middle + lifted, axes, of["gloss"] * random.random(), random)
    return np.concatenate([face, top])


def dots(draw, centre, axes, pips, of, radius, colour):
    """The pips of a face: its sides are the vectors `axes` in pixels, and `radius` is per side."""
    for place in np.array(PIPS[pips], float) * of["place"]:
        ellipse(draw, centre + place @ np.array(axes), radius * np.array(axes), (*rgb(colour), 255))


def stains(draw, centre, axes, colours, contrast, random):
    """Clouds of another colour or brightness in the material of a face."""
    body, clouds = colours
    for _ in range(8):
        place, radius = random.uniform(-0.25, 0.25, 2), random.uniform(0.05, 0.2)
        blend = body + (clouds - body) * random.uniform(0, 1)
        colour = rgb(blend + contrast * random.uniform(-1, 1) + 0.3 * contrast * random.normal(0, 1, 3))
        ellipse(draw, centre + place @ np.array(axes), radius * np.array(axes), (*colour, 150))


def gloss(draw, centre, axes, strength, random):
    """Reflections on a face: soft ones, and a sharp one of a round lamp, whose `strength` is in 0..1."""
    for share in (1, 0.7, 0.4):
        place, radii = random.uniform(-0.3, 0.3, 2), share * random.uniform(0.1, 0.5, 2)
        soft = (255, 255, 255, int(255 * strength * random.uniform(0, 0.2)))
        ellipse(draw, centre + place @ np.array(axes), radii[:, None] * np.array(axes), soft)
    place, radius = random.uniform(-0.3, 0.3, 2), random.uniform(0.1, 0.6)
    points = centre + place @ np.array(axes) + radius * CIRCLE @ np.array(axes)
    inside = np.abs((points - centre) @ np.linalg.inv(np.array(axes))).max(1) < 0.45
    width = max(1, round(random.uniform(0.02, 0.07) * np.linalg.norm(axes[0])))
    for one, two, seen in zip(points, np.roll(points, -1, 0), inside & np.roll(inside, -1), strict=True):
        if seen:
            draw.line([tuple(one), tuple(two)], fill=(255, 255, 255, int(255 * strength)), width=width)


def ellipse(draw, centre, radii, colour):
    """An ellipse by the vectors of two of its radii, RGBA."""
    points = centre + CIRCLE @ np.array(radii)
    draw.polygon([tuple(point) for point in points], fill=colour)


def polygon(draw, points, colour):
    draw.polygon([tuple(point) for point in points], fill=rgb(colour))


def spot(draw, centre, radius, colour):
    (x, y), fill = centre, rgb(colour)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def rgb(colour):
    return tuple(round(255 * min(max(float(value), 0), 1)) for value in colour)


def smooth(random, size, points):
    """(H, W) smooth noise."""
    noise = Image.fromarray(random.normal(0, 1, (points, points)).astype(np.float32), "F")
    return np.asarray(noise.resize(size, Image.BICUBIC))


def table(of, size, random):
    """The table: a cloth with folds and a weave; on some lies a tray."""
    colour = of["table"] + of["colour"] * random.uniform(-1, 1, 3)
    folds = of["cloth"] * (0.6 * smooth(random, size, 5) + 0.3 * smooth(random, size, 40))
    image = Image.fromarray(bytes_of(colour + folds[..., None]))
    if random.random() < of["clutter"]:
        draw, (width, height) = ImageDraw.Draw(image), size
        left, top, right, bottom = random.uniform(0, 0.12, 4) * (1, 1, -1, -1) + (0, 0, 1, 1)
        frame = [left * width, top * height, right * width, bottom * height]
        dark = rgb(np.full(3, random.uniform(0.05, 0.95)) + random.normal(0, 0.05, 3))
        draw.rectangle(frame, outline=dark, width=int(random.uniform(0.005, 0.05) * width))
        for _ in range(random.integers(0, 5)):  # screws and magnets
            centre = (random.uniform(0, 1) * width, random.choice([0.04, 0.95]) * height)
            spot(draw, centre, 0.02 * width, np.full(3, random.uniform(0.1, 0.9)))
    return image


def shaded(picture, places, turns, of, random):
    """The table with the shadows of the dice."""
    towards = random.uniform(0, 2 * np.pi)
    cast = np.array([np.cos(towards), np.sin(towards)])
    shadow = Image.new("L", picture.size, 0)
    draw = ImageDraw.Draw(shadow)
    for (x, y, side), turn in zip(places, turns, strict=True):
        outline = turned(corners(1.1 * side, of["roundness"]), turn) + (x, y) + 0.15 * side * cast
        draw.polygon([tuple(point) for point in outline], fill=255)
    shadow = shadow.filter(ImageFilter.GaussianBlur(0.15 * of["side"] * picture.size[0]))
    dark = 1 - of["shadow"] * np.asarray(shadow, np.float32)[..., None] / 255
    return Image.fromarray((np.asarray(picture) * dark).astype(np.uint8))


def photograph(picture, of, size, random):
    """The image as the camera takes it, of `size` (width, height)."""
    image = picture.resize(size, Image.BOX).filter(ImageFilter.GaussianBlur(of["blur"] * size[0]))
    pixels = np.asarray(image, np.float32) / 255
    fall = 1 - of["light"] * (0.5 + 0.25 * smooth(random, size, 3))
    pixels = pixels * fall[..., None] * (1 + random.normal(0, 0.02, 3))
    return Image.fromarray(bytes_of(pixels + random.normal(0, of["noise"], pixels.shape)))


def bytes_of(image):
    return (255 * image.clip(0, 1)).round().astype(np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
