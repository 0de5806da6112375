"""Eyes: renders the region of one eye from its geometry, with labels of gaze, head, pupil, iris and lids."""

from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from pydantic_core import ArgsKwargs
from torch import Tensor

from ...settings import settings
from ...tasks.directions import relative_to, to_vectors
from ..base import CHUNK, Drawn, Parameter, Simulator
from ..distributions import Sampling
from ..scene.camera import blur, equalise
from ..scene.fields import draw, smooth_noise
from .eyeball import ball, edge, mirrored
from .geometry import LANDMARKS, Geometry, Values, place
from .parameters import INFRARED, PARAMETERS
from .skin import Surround, surround

Side = Annotated[int, Field(ge=16, le=1024)]
CHUNK_PIXELS = 600_000  # of all images rendered at once, so that the maps of a chunk fit in the CPU cache
GPU_CHUNKS = 8  # times more images at once on a GPU, where the time of kernel launches is the limit
LOOKS = ("gaze", "head")
INSET = 0.15  # mm, of the outline of the pupil in `infrared`
SIZES = {"webcam": (36, 60), "infrared": (128, 128)}

# Red, green, blue of each part at equal luminance. The iris colour is between BROWN and BLUE.
SKIN, SCLERA, HAIR = (1.25, 0.93, 0.75), (1.03, 0.99, 0.97), (1.05, 0.99, 0.92)
BROWN, BLUE = (1.45, 0.87, 0.5), (0.8, 1.02, 1.35)


@settings
class Eyes(Simulator):
    """The region of one eye, in the view of a webcam or a close infrared camera.

    The eyeball is a sphere with a cornea. The projection is scaled orthographic, so iris and pupil are ellipses. The
    lids are curves that follow gaze and head. One light shades the surrounding skin. Angles have the conventions of
    `directions`, as in the normalised images of MPIIGaze (Zhang et al. 2015).

    Anatomy that decides how gaze and image correspond:
        The pupil is one to two millimetres above the line of the corners at a level gaze (`eye_height`). One
        millimetre is 5 degrees of pitch: without it, a network reads every real eye as looking up by 8 degrees.
        The eyeball's centre is 13 mm behind the apex of the cornea, the corners are 8 to 12 mm behind it: `socket`. A
        deeper one makes the iris move against every turn of the head, which real crops do not show, and hides the gaze.
        The line of sight points 5 degrees nasally and 1.5 degrees upwards from the axis of the eyeball (`kappa_in`,
        `kappa_up`; Guestrin & Eizenman 2006). The label `gaze` is the line of sight.
        The margins are 3.5 to 4 mm above and 5 mm below the pupil (Rana et al. 2023). In downgaze the upper margin
        follows four fifths of the pupil's way, the lower one two fifths: the aperture falls from 9.7 mm at level gaze
        to 6.4 at 40 degrees (Read et al. 2006). The outer corner is higher than the nose's (`slant`).
        The visible iris has a radius of 5.9 mm, give or take a quarter.

    Gaze and head are the sampled angles, both to the camera, because a screen fixes the one and the posture the other.
    The range of the gaze is that of a laptop's screen under its camera, 35 by 22 cm at 50 to 70 cm, with a margin.
    Their joint distribution: ranges, and a correlation of 0.3 in yaw, because the head takes a share of a gaze shift to
    the side (Stahl 1999: almost none below 15 degrees, up to all of it above, depending on the person). The eye in the
    head follows from both (label `eye`). MPIIGaze defines the head by the plane through eyes and mouth.
    Mouth corners lie in front of eye corners, so a level face has a published pitch of about 10 degrees (`face_tilt`);
    `head_pitch` is anatomical, the label `head` is as published. MPIIGaze crops are 60 pixels wide at a focal length
    of 960 pixels and a distance of 600 mm, so `field` is 37.5 mm for a face of average size.

    Labels are in pixels and radians. A label is nan if its part is completely covered or outside the image:
        gaze, gaze_vector, head: pitch and yaw, or a unit vector. eye: pitch and yaw of the gaze in the head's frame.
        iris: centre of the whole iris, including hidden parts. ellipse: its semi-axes and the angle of the longer one,
            from x towards y.
        pupil: centroid of the part of the pupil that the lids do not cover.
        eyelid: 16 points: the nose's corner, 7 on the upper margin, the outer corner, 7 back on the lower margin.

    Limits: there is no perspective. For a wide lens at a few centimetres, the iris is therefore wrong by up to some
    percent. The pupil mask includes parts that lashes, reflections or glasses cover.

    References:
        Guestrin & Eizenman (2006). General theory of remote gaze estimation using the pupil center and corneal
            reflections. IEEE Transactions on Biomedical Engineering 53(6).
        Rana et al. (2023). Normal periocular anthropometric measurements in an Australian population. International
            Ophthalmology 43.
        Read, Collins, Carney & Iskander (2006). The morphology of the palpebral fissure in different directions of
            vertical gaze. Optometry and Vision Science 83(10).
        Stahl (1999). Amplitude of human head movements associated with horizontal saccades. Experimental Brain
            Research 126.
        Zhang, Sugano, Fritz & Bulling (2015). Appearance-based gaze estimation in the wild. CVPR.

    Args:
        preset: default ranges and default size. `webcam`: 36 by 60, histogram-equalised like the published MPIIGaze.
            `infrared`: 128 by 128, like the pupil cameras of MEYE (Mazziotti et al., 2021).
        size: height and width, 16 to 1024 pixels. The width spans `field` millimetres.
        channels, ranges, label: as in `Simulator`.
        inset: how far within the edge of the pupil its mask ends, in mm. None: 0.15 for `infrared`, else 0. At 0 the
            mask ends where half of the light is that of the pupil. People outline what is surely dark: masks drawn by
            hand in MEYE hold 88 percent of the pixels below that level.
        device: device of the rendering. The images are returned in CPU memory.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = PARAMETERS
    classes: ClassVar[dict[str, tuple[str, ...]]] = {}
    # Only for images that are not equalised: equalisation uses a table and has no gradient.
    differentiable: ClassVar[tuple[str, ...]] = (
        *("skin", "sclera", "iris_tone", "pupil_tone", "hair", "exposure", "blur", "grain"),
    )
    regions: ClassVar[tuple[str, ...]] = ("skin", "sclera", "iris", "pupil")
    columns: ClassVar[dict[str, tuple[str, ...]]] = {
        "gaze": ("pitch", "yaw"),
        "gaze_vector": ("gaze_x", "gaze_y", "gaze_z"),
        "head": ("head_pitch", "head_yaw"),
        "iris": ("iris_x", "iris_y"),
        "pupil": ("pupil_x", "pupil_y"),
        "ellipse": ("ellipse_width", "ellipse_height", "ellipse_angle"),
        "eyelid": tuple(f"lid_{i:02d}_{axis}" for i in range(LANDMARKS) for axis in "xy"),
        "eye": ("eye_pitch", "eye_yaw"),
    }

    default_correlations: ClassVar[dict[str, float]] = {"gaze_yaw ~ head_yaw": 0.3}

    preset: Literal["webcam", "infrared"] = "webcam"
    size: tuple[Side, Side] = SIZES["webcam"]
    inset: Annotated[float, Field(ge=0, le=1)] | None = None
    device: str = "cpu"

    @model_validator(mode="before")
    @classmethod
    def _size_of_preset(cls, given: Any) -> Any:
        if isinstance(given, ArgsKwargs) and given.kwargs and given.kwargs.get("preset") in SIZES:
            return ArgsKwargs(given.args, {"size": SIZES[given.kwargs["preset"]], **given.kwargs})
        return given

    @property
    def chunk(self) -> int:
        cached = max(8, min(CHUNK, CHUNK_PIXELS // (self.size[0] * self.size[1])))
        return cached if self.device == "cpu" else GPU_CHUNKS * cached

    def generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def defaults(self) -> dict[str, Sampling]:
        return super().defaults() | (INFRARED if self.preset == "infrared" else {})

    def render(self, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
        """See `Simulator.render`. Images are float32."""
        v = {name: value[:, None, None] for name, value in values.items()}
        n = len(v["left"])
        left, shut, little = draw((3, n, 1, 1), generator)
        v["opening"] = torch.where(shut < v["closed"], 0.15 * little, v["opening"])
        side = torch.where(left < v["left"], 1.0, -1.0)
        geometry = place(v, side, self.size)
        texture = smooth_noise(n, (self.size[0] // 2, self.size[1] // 2), self.size, generator)
        around = surround(geometry, v, texture, self.size, generator)
        eye = ball(geometry, v, texture, generator)
        seen = edge(-geometry.lids.above, 1 / geometry.scale) * edge(-geometry.lids.below, 1 / geometry.scale)
        images = self._compose(v, around, eye, seen, mirrored(geometry, v, generator), generator)
        inset = (INSET if self.preset == "infrared" else 0.0) if self.inset is None else self.inset
        labels, masks = _labels(v, geometry, seen, eye["pupil_cover"], inset)
        return Drawn(self._photograph(images, values, generator), labels, masks)

    def _compose(
        self,
        v: Values,
        around: Surround,
        eye: dict[str, Tensor],
        seen: Tensor,
        lights: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Image (N, C, H, W) before the camera effects."""
        skin, sclera, iris, hair, lamp = self._hues(v, generator)

        def part(intensity: Tensor, hue: Tensor) -> Tensor:
            return intensity[:, None] * hue

        pupil, cover = eye["pupil_cover"][:, None], eye["iris_cover"][:, None]
        inner = torch.lerp(part(eye["sclera"], sclera), part(eye["iris"], iris), cover)
        inner = torch.lerp(inner, eye["pupil"][:, None], pupil) * eye["lit"][:, None] + lights[:, None]
        image = torch.lerp(part(around.skin, skin), inner, seen[:, None])
        image = torch.lerp(image, part(v["hair"], hair), around.hair[:, None])
        image = torch.lerp(image, part(v["hair"] * 0.8, torch.ones_like(hair)), around.frame[:, None])
        return image * lamp * v["exposure"][:, None]

    def _hues(self, v: Values, generator: torch.Generator) -> list[Tensor]:
        """Colour factors (N, C, 1, 1) for the intensities of skin, sclera, iris, hair and light."""
        n = len(v["hair"])
        if self.channels == 1:
            return [torch.ones(1, 1, 1, 1, device=v["hair"].device)] * 5
        shift = 1 + v["colour"][:, None] * (draw((5, n, 3, 1, 1), generator) * 2 - 1)
        mix = draw((n, 1, 1, 1), generator)
        skin, sclera, hair, brown, blue = (
            v["hair"].new_tensor(hue)[:, None, None] for hue in (SKIN, SCLERA, HAIR, BROWN, BLUE)
        )
        base = [skin, sclera, torch.lerp(brown, blue, mix), hair, torch.ones_like(hair)]
        return [hue * shift[i] for i, hue in enumerate(base)]

    def _photograph(self, images: Tensor, values: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Add noise and blur, and equalise the histogram of some images."""
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        grain = values["grain"][:, None, None, None]
        images = blur(images.addcmul_(noise, grain), values["blur"]).clamp_(0, 1)
        spread = draw((len(images), 1, 1, 1), generator) < values["equalised"][:, None, None, None]
        return torch.where(spread, equalise(images), images) if spread.any() else images


def _labels(
    v: Values, geometry: Geometry, seen: Tensor, pupil_cover: Tensor, inset: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All labels, and the masks of the regions."""
    gaze, head = (torch.cat([v[f"{of}_{axis}"][:, 0] for axis in ("pitch", "yaw")], 1).deg2rad() for of in LOOKS)
    open_ = seen >= 0.5
    iris, pupil = ((disc.squared <= 1) & open_ for disc in (geometry.iris, geometry.pupil))
    outlined = pupil & (geometry.pupil.squared <= (1 - inset / geometry.pupil.radius).clamp(min=0).square())
    masks = {"skin": ~open_, "sclera": open_ & ~iris, "iris": iris & ~outlined, "pupil": outlined}
    hidden, none = (~mask.flatten(1).any(1)[:, None] for mask in (iris, pupil))
    weight = pupil_cover * seen
    mass = weight.sum((1, 2)).clamp(min=1e-6)
    x = (weight.sum(1) * torch.arange(weight.shape[2], device=weight.device)).sum(1) / mass
    y = (weight.sum(2) * torch.arange(weight.shape[1], device=weight.device)).sum(1) / mass
    centre = geometry.pixels(geometry.iris.x, geometry.iris.y).flatten(1)
    radius = (geometry.iris.radius * geometry.scale)[:, 0]
    axis = torch.cat([part[:, 0] for part in geometry.axis], 1)
    angle = torch.atan2(axis[:, 0], -axis[:, 1])
    angle = (angle + torch.pi / 2) % torch.pi - torch.pi / 2
    ellipse = torch.cat([radius, radius * axis[:, 2:].abs(), angle[:, None]], 1)
    nan = torch.tensor(float("nan"), device=seen.device)
    tilt = torch.cat([v["face_tilt"][:, 0].deg2rad(), torch.zeros_like(head[:, 1:])], 1)
    labels = {
        "gaze": gaze,
        "gaze_vector": to_vectors(gaze),
        "head": head + tilt,
        "iris": torch.where(hidden, nan, centre),
        "pupil": torch.where(none, nan, torch.stack([x, y], 1)),
        "ellipse": torch.where(hidden, nan, ellipse),
        "eyelid": geometry.pixels(*geometry.landmarks).flatten(1),
        "eye": relative_to(gaze, head),
    }
    return labels, masks
