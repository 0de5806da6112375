"""Policies: how far each image is changed while training, so that reality is one more sample of what was seen.

Tobin et al., Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World, IROS 2017.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Protocol, Self

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import to_float
from ..errors import InputError
from ..settings import settings
from ..tasks import Classification, Gaze, Keypoints, Regression, Task
from ..transforms.mix import Mix
from ..transforms.photometric import PhotometricTransform
from ..transforms.sampling import Selection
from ..transforms.scene import Scene
from ..transforms.sensor import Sensor
from ..transforms.texture import Texture
from ..transforms.warp import CELLS, Warp, layout

Amplitude = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

STRENGTH = 0.5  # where none is set
SWAPPED = 0.5  # probability of inversion and of solarization where labels are classes
MIRRORED = 0.5  # probability of a mirror image where labels are one place or direction
SCALED, MEASURED = 0.6, 0.2  # amplitude of scale where labels are classes, and where they are values
MIXES = {  # which tasks have a label for two images in one
    "mixup": (Classification.kind, Regression.kind),
    "cutmix": (Classification.kind,),
}
PICTURES = 500  # most that are held
CONTRAST = 0.25  # standard deviation of an image that clutter and noise act on in full; MNIST has 0.29
FULL_SIDE = 28  # pixels; in a smaller frame a stroke has too few pixels to lose any


class Policy(Protocol):
    """What training asks of a policy.

    `draw` takes images (N, C, H, W) float32 in 0..1 and returns them changed, with the warp that moved them (None where
    nothing moved), by which the labels are moved too. Strength 0 returns the images themselves. `mix` says how labelled
    images are mixed with each other after that, if at all, and `mixes` by which ways. `settled` fills in what follows
    from the task, and refuses what the task does not allow.
    """

    strength: Fraction | None

    @property
    def mixes(self) -> tuple[str, ...]: ...

    def mix(self, x: Tensor, generator: torch.Generator) -> Mix | None: ...

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]: ...

    def settled(self, task: Task) -> "Policy": ...


@settings
class Mixing:
    """What every policy has beside its own: labelled images mixed with each other, two in one, and their labels alike.

    The target's images stay whole: what is said of them comes from the method that is trained.

    Args:
        strength: 0..1; at 0 nothing is mixed.
        mixup: alpha of the share of the first of two images laid over each other (Zhang et al. 2018 take 0.2); 0 for
            none. For classes, and for values that are no places or directions.
        cutmix: alpha of the share of the first image, of which a rectangle shows the second (Yun et al. 2019 take 1); 0
            for none. For classes.
    """

    strength: Fraction | None = None
    mixup: Amplitude = 0.0
    cutmix: Amplitude = 0.0

    @property
    def mixes(self) -> tuple[str, ...]:
        """The ways of mixing that are in use, of `mixup` and `cutmix`."""
        return tuple(name for name in ("mixup", "cutmix") if self.strength != 0 and getattr(self, name) > 0)

    def mix(self, x: Tensor, generator: torch.Generator) -> Mix | None:
        """How images x (N, C, H, W) are mixed with each other; None where they are not."""
        if not self.mixes:
            return None
        size = (x.shape[2], x.shape[3])
        return Mix.sample(len(x), size, mixup=self.mixup, cutmix=self.cutmix, generator=generator)

    def refuse(self, task: Task) -> None:
        """Raise `InputError` where labels of `task` cannot be mixed as the images are."""
        for name in self.mixes:
            if task.kind not in MIXES[name]:
                raise InputError(
                    f"randomize.{name}={getattr(self, name):g} makes one image of two, which has no label in the task "
                    f"{task.kind}, expected a task of: {', '.join(MIXES[name])}. Set randomize.{name} to 0"
                )


@settings
class Photometric(Mixing):
    """Change colours, move nothing.

    Amplitudes are those at strength 1; at strength s values are drawn uniformly within s times the amplitude. What acts
    on single pixels (solarization, clutter, noise, blur, cutout) is weaker in proportion where the frame's shorter side
    is below 28 pixels: from rendered digits to handwriting of 8 by 8, `Full` so reaches an accuracy of 0.76, else 0.67.
    So are clutter and noise in an image of a standard deviation below 0.25, such as a close infrared one, whose pupil
    they would drown.

    Args:
        strength: 0..1; 0 is the identity. None: 0.5 (a point in real webcam eyes was missed by a median of 1.4 px
            at 0.3, of 1.2 px at 0.5; dev labels, one seed).
        contrast: logarithm of the factor around mid-grey, plus or minus.
        brightness: plus or minus, for each channel.
        inversion: probability that dark and bright are swapped, at any strength above 0. None: 0.5 for classes, whose
            shapes outlive it, and 0 for values, since what is measured is seldom seen in negative.
        solarization: probability that each channel is folded at a level of its own (below it, dark turns bright),
            which leaves outlines, a pixel wide, where colours cross it; at any strength above 0. None as above.
        clutter: largest standard deviation of a smooth coloured pattern laid over it, in units of the full range.
        noise: largest standard deviation, in units of the full range.
        blur: largest standard deviation, pixels.
        cutout: largest side of the rectangle that is filled with one colour, fraction of the frame.
        background: how far what has the colour of the image's border gives way to a background: for objects before an
            even ground, such as rendered ones.
        occluder: largest diameter of a disc or box in the way, fraction of the frame.
        pictures: folder or `.npz` of images that backgrounds and occluders show, such as photographs that are not of
            the target; smooth patterns in colours where None.
        texture: share of the image seen through a random filter, and of random statistics of its channels (random
            convolutions of Xu et al. 2021, style augmentation of Jackson et al. 2019).
        motion: length of the path that each point is smeared along, fraction of the shorter side.
        shot: standard deviation of the photons' noise of a white pixel; `noise` is that of reading them out.
        jpeg: loss of quality in saving, 0.9 for 10 to 100 percent.
    """

    contrast: Amplitude = 1.0
    brightness: Amplitude = 0.4
    inversion: Fraction | None = None
    solarization: Fraction | None = None
    clutter: Amplitude = 0.4
    noise: Amplitude = 0.15
    blur: Amplitude = 1.0
    cutout: Fraction = 0.4
    background: Fraction = 0.0
    occluder: Fraction = 0.0
    pictures: str | None = None
    texture: Fraction = 0.0
    motion: Fraction = 0.0
    shot: Amplitude = 0.0
    jpeg: Fraction = 0.0

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]:
        """Change colours of images x (N, C, H, W) float32 in 0..1; see `Policy`."""
        if self.strength == 0:
            return x, None
        return self._coloured(x.contiguous(), generator).contiguous(memory_format=layout(x)), None

    def settled(self, task: Task) -> Self:
        """Strength, inversion and solarization as the task wants them, where they are None."""
        self.refuse(task)
        if self.pictures is not None and not Path(self.pictures).exists():
            raise InputError(f"randomize.pictures: {self.pictures}: no such folder or file, expected one of images")
        own = SWAPPED if isinstance(task, Classification) else 0.0
        inversion, solarization = (own if now is None else now for now in (self.inversion, self.solarization))
        return replace(self, strength=_strength(self), inversion=inversion, solarization=solarization)

    def _coloured(self, x: Tensor, generator: torch.Generator, chosen: Selection | None = None) -> Tensor:
        """The object's surroundings, its texture, its colours, then the camera. What is left out draws nothing."""
        n, channels, size = len(x), x.shape[1], (x.shape[2], x.shape[3])
        strength, share = _strength(self), _share(size)
        drawn = {"generator": generator, "device": x.device, "chosen": chosen}
        scene = {"background": strength * self.background, "occluder": strength * share * self.occluder}
        if any(scene.values()):
            x = Scene.sample(n, channels, size, pictures=self._pictures(x), **scene, **drawn).image(x)  # type: ignore[arg-type]
        if strength * self.texture:
            x = Texture.sample(n, channels, texture=strength * self.texture, **drawn).image(x)  # type: ignore[arg-type]
        x = self._tint(x, generator, chosen).image(x)
        sensor = {"motion": strength * self.motion, "shot": strength * share * self.shot, "jpeg": strength * self.jpeg}
        return Sensor.sample(n, channels, size, **sensor, **drawn).image(x) if any(sensor.values()) else x  # type: ignore[arg-type]

    def _pictures(self, x: Tensor) -> Tensor | None:
        """The pictures of backgrounds and occluders, of the size of images x; read once."""
        if self.pictures is None:
            return None
        held: Tensor | None = getattr(self, "_held", None)
        if held is None or held.shape[1:] != x.shape[1:]:
            from ..data.loading import load_unlabelled

            found = load_unlabelled(self.pictures, size=(x.shape[2], x.shape[3]), channels=1 if x.shape[1] == 1 else 3)
            held = to_float(found.inputs[torch.arange(min(len(found), PICTURES))]).contiguous()
            self._held = held
        return held

    def _tint(self, x: Tensor, generator: torch.Generator, chosen: Selection | None = None) -> PhotometricTransform:
        size = (x.shape[2], x.shape[3])
        share = _share(size)
        strength = _strength(self)
        fine = strength * share
        tint = PhotometricTransform.sample(
            len(x),
            x.shape[1],
            size,
            contrast=strength * self.contrast,
            brightness=strength * self.brightness,
            inversion=SWAPPED if self.inversion is None else self.inversion,
            solarization=share * (SWAPPED if self.solarization is None else self.solarization),
            clutter=fine * self.clutter,
            noise=fine * self.noise,
            blur=fine * self.blur,
            cutout=fine * self.cutout,
            generator=generator,
            device=x.device,
            chosen=chosen,
        )
        shown = (_contrast(x) / CONTRAST).clamp(max=1)
        return replace(tint, clutter=tint.clutter * shown, noise=tint.noise * shown)


def _contrast(x: Tensor) -> Tensor:
    """Deviation of each image (N, 1, 1, 1); `Tensor.std` took a quarter of a whole policy's time."""
    whole = (1, 2, 3)
    length = torch.linalg.vector_norm(x - x.mean(whole, keepdim=True), dim=whole, keepdim=True)
    channels, height, width = x.shape[1:]
    deviation: Tensor = length / (channels * height * width) ** 0.5
    return deviation


@settings
class Geometric(Mixing):
    """Move pixels, and with them what labels say about places and directions; change no colour.

    Amplitudes are those at strength 1; at strength s values are drawn uniformly within s times the amplitude.

    Args:
        strength: 0..1; 0 is the identity. None as in `Photometric`.
        rotation: degrees, plus or minus.
        scale: factor of size, 1 - scale to 1 + scale. None: 0.6 for classes, which are the same at any size (digits
            fill the frame in USPS and two thirds of it in MNIST), and 0.2 for values, which simulators are asked for
            in the size that they have (a point in real webcam eyes was found no better at 0.4).
        aspect: logarithm of the ratio of width to height, plus or minus.
        shear: x moved per pixel of y, plus or minus.
        shift: fraction of the frame, plus or minus.
        elastic: largest displacement of a control point of the elastic part, fraction of the frame.
        mirror: probability that left and right are swapped, at any strength above 0. None: 0.5 for gaze and for a
            single point, else 0: digits and text have handedness, and so have several points (which eye is the left?).
            A teacher needs it: a shift of all its answers to one side contradicts itself in no other way.
    """

    rotation: Amplitude = 20.0
    scale: Annotated[float, Field(ge=0, lt=1)] | None = None
    aspect: Amplitude = 0.2
    shear: Amplitude = 0.2
    shift: Amplitude = 0.1
    elastic: Annotated[float, Field(ge=0, lt=0.25 / CELLS)] = 0.08
    mirror: Fraction | None = None

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]:
        """Warp images x (N, C, H, W) float32; see `Policy`."""
        if self.strength == 0:
            return x, None
        warp = self._warp(x, generator)
        return warp.image(x), warp

    def settled(self, task: Task) -> Self:
        """Strength, scale and mirroring as the task allows, where they are None."""
        self.refuse(task)
        own = SCALED if isinstance(task, Classification) else MEASURED
        scale = own if self.scale is None else self.scale
        one_answer = isinstance(task, Gaze) or (isinstance(task, Keypoints) and task.outputs == 2)
        mirror = (MIRRORED if one_answer else 0.0) if self.mirror is None else self.mirror
        return replace(self, strength=_strength(self), scale=scale, mirror=mirror)

    def _warp(self, x: Tensor, generator: torch.Generator, chosen: Selection | None = None) -> Warp:
        strength = _strength(self)
        return Warp.sample(
            len(x),
            (x.shape[2], x.shape[3]),
            rotation=strength * self.rotation,
            scale=strength * (MEASURED if self.scale is None else self.scale),
            aspect=strength * self.aspect,
            shear=strength * self.shear,
            shift=strength * self.shift,
            elastic=strength * self.elastic,
            mirror=self.mirror or 0.0,
            generator=generator,
            device=x.device,
            chosen=chosen,
        )


@settings
class Full(Photometric, Geometric):
    """Move pixels, then change colours: all settings of `Geometric` and `Photometric`, under one strength."""

    def settled(self, task: Task) -> Self:
        """As both of them."""
        return Geometric.settled(Photometric.settled(self, task), task)

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]:
        """Warp and tint images x (N, C, H, W) float32 in 0..1; see `Policy`."""
        if self.strength == 0:
            return x, None
        chosen = self._chosen(len(x), generator)
        warp = self._warp(x, generator, chosen)
        moved = warp.image(x.contiguous())  # one change of memory format there and one back, not two
        return self._coloured(moved, generator, chosen).contiguous(memory_format=layout(x)), warp

    def _chosen(self, n: int, generator: torch.Generator) -> Selection | None:
        """Which of n images each operation acts on; None for all."""
        return None


def _strength(policy: Policy) -> float:
    """The policy's own strength, or the usual one where it is None."""
    return STRENGTH if policy.strength is None else policy.strength


def _share(size: tuple[int, int]) -> float:
    """How strong what acts on single pixels is in a frame of `size`, 0..1."""
    return min(1.0, min(size) / FULL_SIDE)
