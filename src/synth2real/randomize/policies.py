"""Policies: random changes to each training image, so that real images look like further samples of the training data.

Tobin et al., Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World, IROS 2017.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, Self, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from ..data.domains import to_float
from ..errors import InputError
from ..settings import settings
from ..tasks import Classification, Detection, Gaze, Keypoints, Regression, Segmentation, Task
from ..transforms.mix import Mix, Mosaic
from ..transforms.photometric import PhotometricTransform
from ..transforms.sampling import Rows, Selection, part_of
from ..transforms.scene import Scene
from ..transforms.sensor import Sensor
from ..transforms.texture import Texture
from ..transforms.warp import CELLS, Warp, layout

Settled = TypeVar("Settled", bound="Photometric")
Amplitude = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

STRENGTH, DENSE_STRENGTH = 0.5, 0.25  # default; for masks and boxes
DARK = 0.25  # mean level of an image from which its tone changes at full strength, if the task is dense
SWAPPED = 0.5  # probability of inversion and of solarization if labels are classes
MIRRORED = 0.5  # probability of a mirror image if the label is one position or direction
SCALED, MEASURED = 0.6, 0.2  # amplitude of scale if labels are classes, and if they are values
MIXES = {  # tasks in which a mixed image has a label
    "mixup": (Classification.kind, Regression.kind),
    "cutmix": (Classification.kind, Segmentation.kind, Detection.kind),
    "mosaic": (Segmentation.kind, Detection.kind),
}
PICTURES = 500  # most pictures kept in memory
CONTRAST = 0.25  # image standard deviation from which clutter and noise have full strength; MNIST has 0.29
FULL_SIDE = 28  # pixels; in a smaller image a stroke is too thin to lose pixels


class Policy(Protocol):
    """The interface of a policy for the training.

    `draw` receives images (N, C, H, W) float32 in 0..1. It returns the changed images and their warp (None if no pixel
    changes its position). The caller applies the same warp to the labels. With strength 0 it returns the images
    unchanged. With `rows` the images are a part of a batch, and are changed as in the whole one, whose warp it returns.
    `mix` returns how labelled images are then mixed with each other, or None. `mixes` lists the kinds of mixing in use.
    `settled` sets the values that depend on the task, and raises an error for settings that the task does not allow.
    """

    strength: Fraction | None

    @property
    def mixes(self) -> tuple[str, ...]: ...

    def mix(self, x: Tensor, generator: torch.Generator) -> Mix | Mosaic | None: ...

    def draw(self, x: Tensor, generator: torch.Generator, rows: Rows | None = None) -> tuple[Tensor, Warp | None]: ...

    def settled(self, task: Task) -> "Policy": ...


@settings
class Mixing:
    """Settings that every policy shares: mixing of two labelled images and, in the same way, of their labels.

    Images of the target are not mixed. Their labels come from the training method.

    Args:
        strength: 0..1; at 0 nothing is mixed.
        mixup: alpha of the share of the first image when two images are blended (Zhang et al. 2018 use 0.2); 0 for
            none. For classes, and for values that are not positions or directions.
        cutmix: alpha of the share of the first image when a rectangle of it shows the second (Yun et al. 2019 use 1); 0
            for none. For classes, masks and boxes.
        mosaic: share of the images of which each quarter shows another image of the batch (Bochkovskiy et al. 2020, but
            objects keep their size). For masks and boxes. With `cutmix` too, a batch gets either.
    """

    strength: Fraction | None = None
    mixup: Amplitude = 0.0
    cutmix: Amplitude = 0.0
    mosaic: Fraction = 0.0

    @property
    def mixes(self) -> tuple[str, ...]:
        """The kinds of mixing in use: `mixup`, `cutmix`, `mosaic`, or none."""
        return tuple(name for name in MIXES if self.strength != 0 and getattr(self, name) > 0)

    def mix(self, x: Tensor, generator: torch.Generator) -> Mix | Mosaic | None:
        """How images x (N, C, H, W) are mixed with each other; None if they are not mixed."""
        if not self.mixes:
            return None
        size = (x.shape[2], x.shape[3])
        alone = self.mixes == ("mosaic",)
        if alone or (self.mosaic and torch.rand(1, generator=generator, device=generator.device) < 0.5):
            return Mosaic.sample(len(x), size, share=self.mosaic, generator=generator)
        return Mix.sample(len(x), size, mixup=self.mixup, cutmix=self.cutmix, generator=generator)

    def refuse(self, task: Task) -> None:
        """Raise `InputError` if labels of `task` cannot be mixed in the same way as the images."""
        for name in self.mixes:
            if task.kind not in MIXES[name]:
                raise InputError(
                    f"randomize.{name}={getattr(self, name):g} mixes two images, but the mixed image has no label in "
                    f"the task {task.kind}, expected a task of: {', '.join(MIXES[name])}. Set randomize.{name} to 0"
                )


@settings
class Photometric(Mixing):
    """Photometric randomization: changes colours, texture, noise and background, and moves no pixel.

    Amplitudes are for strength 1. At strength s, values are sampled uniformly within s times the amplitude. Operations
    on single pixels (solarization, clutter, noise, blur, cutout) are weakened in proportion if the shorter side of the
    image is below 28 pixels. From rendered digits to handwriting of 8 by 8, this raised the accuracy of `Full` from
    0.67 to 0.76. Clutter and noise are also weakened if the standard deviation of an image is below 0.25. An example is
    a close-up infrared image of an eye, where they would hide the pupil.

    For masks and boxes (`Task.dense`) nothing is cut out, since the label of what is covered stays. Contrast and
    brightness change less in a dark image, by the square of its mean level over 0.25: clipping would hide dim objects
    whose labels stay. With both, the IoU of nuclei in real microscope images rose from 0.75 to 0.82 (dev labels, one
    seed, 300 steps).

    Args:
        strength: 0..1; 0 is the identity. None: 0.5 (median error of a point in real webcam eyes: 1.4 px at 0.3 and 1.2
            px at 0.5; dev labels, one seed), and 0.25 for masks and boxes (IoU of real nuclei after 300 steps: 0.847 at
            0.25 and 0.836 at 0.5; dev labels, one seed).
        contrast: logarithm of the factor around mid-grey, plus or minus.
        brightness: plus or minus, for each channel.
        inversion: probability that dark and bright are exchanged, at any strength above 0. None: 0.5 for classes,
            because shapes are recognisable in a negative, and 0 for values, because measured objects rarely appear as a
            negative.
        solarization: probability that each channel is folded at a random level (values below it become bright), at any
            strength above 0. This leaves outlines one pixel wide where colours cross the level. None: as for
            `inversion`.
        clutter: largest standard deviation of an added smooth coloured pattern, in units of the full range.
        noise: largest standard deviation, in units of the full range.
        blur: largest standard deviation, pixels.
        cutout: largest side of a rectangle filled with one colour, fraction of the image.
        background: largest share by which pixels with the colour of the image's border are replaced by a background. It
            is for objects on a uniform ground, such as rendered ones.
        occluder: largest diameter of a disc or box that covers a part of the image, fraction of the image.
        pictures: folder or `.npz` of images for backgrounds and occluders, for example photographs that are not from
            the target. None: smooth coloured patterns.
        texture: largest share of the randomly filtered image in a blend, and of random channel statistics (random
            convolutions of Xu et al. 2021, style augmentation of Jackson et al. 2019).
        motion: largest length of the motion blur, fraction of the shorter side.
        shot: largest standard deviation of the photon noise of a white pixel; `noise` is the read-out noise.
        jpeg: largest loss of JPEG quality; 0.9 gives a quality of 10 to 100 percent.
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

    dense: ClassVar[bool] = False  # an instance that is settled for a dense task has True

    def draw(self, x: Tensor, generator: torch.Generator, rows: Rows | None = None) -> tuple[Tensor, Warp | None]:
        """Change the colours of images x (N, C, H, W) float32 in 0..1; see `Policy`."""
        if self.strength == 0:
            return x, None
        return self._coloured(x.contiguous(), generator, rows=rows).contiguous(memory_format=layout(x)), None

    def settled(self, task: Task) -> Self:
        """Set strength, inversion and solarization to the task's defaults if they are None."""
        self.refuse(task)
        if self.pictures is not None and not Path(self.pictures).exists():
            raise InputError(f"randomize.pictures: {self.pictures}: no such folder or file, expected images")
        own = SWAPPED if isinstance(task, Classification) else 0.0
        inversion, solarization = (own if now is None else now for now in (self.inversion, self.solarization))
        settled = replace(self, strength=_strength(self, task), inversion=inversion, solarization=solarization)
        return marked(settled, task)

    def _coloured(
        self, x: Tensor, generator: torch.Generator, chosen: Selection | None = None, rows: Rows | None = None
    ) -> Tensor:
        """Change surroundings, texture and colours, then simulate the camera. Unused steps use no random numbers."""
        n, channels, size = _whole(x, rows), x.shape[1], (x.shape[2], x.shape[3])
        strength, share = _strength(self), _share(size)
        sampling = {"generator": generator, "device": x.device, "chosen": chosen}
        scene = {"background": strength * self.background, "occluder": strength * share * self.occluder}
        if any(scene.values()):
            scenes = Scene.sample(n, channels, size, pictures=self._pictures(x), **scene, **sampling)  # type: ignore[arg-type]
            x = part_of(scenes, rows).image(x)
        if strength * self.texture:
            textures = Texture.sample(n, channels, texture=strength * self.texture, **sampling)  # type: ignore[arg-type]
            x = part_of(textures, rows).image(x)
        x = self._photometric(x, generator, chosen, rows).image(x)
        sensor = {"motion": strength * self.motion, "shot": strength * share * self.shot, "jpeg": strength * self.jpeg}
        if not any(sensor.values()):
            return x
        return part_of(Sensor.sample(n, channels, size, **sensor, **sampling), rows).image(x)  # type: ignore[arg-type]

    def _pictures(self, x: Tensor) -> Tensor | None:
        """The pictures for backgrounds and occluders, in the size of the images x. They are read once."""
        if self.pictures is None:
            return None
        pictures: Tensor | None = getattr(self, "_loaded", None)
        if pictures is None or pictures.shape[1:] != x.shape[1:]:
            from ..data.reading.loading import load_unlabelled

            found = load_unlabelled(self.pictures, size=(x.shape[2], x.shape[3]), channels=1 if x.shape[1] == 1 else 3)
            pictures = to_float(found.inputs[torch.arange(min(len(found), PICTURES))]).contiguous()
            self._loaded = pictures
        return pictures

    def _photometric(
        self, x: Tensor, generator: torch.Generator, chosen: Selection | None = None, rows: Rows | None = None
    ) -> PhotometricTransform:
        size = (x.shape[2], x.shape[3])
        share = _share(size)
        strength = _strength(self)
        fine = strength * share
        whole = PhotometricTransform.sample(
            _whole(x, rows),
            x.shape[1],
            size,
            contrast=strength * self.contrast,
            brightness=strength * self.brightness,
            inversion=SWAPPED if self.inversion is None else self.inversion,
            solarization=share * (SWAPPED if self.solarization is None else self.solarization),
            clutter=fine * self.clutter,
            noise=fine * self.noise,
            blur=fine * self.blur,
            cutout=0.0 if self.dense else fine * self.cutout,
            generator=generator,
            device=x.device,
            chosen=chosen,
        )
        transform, contrast = part_of(whole, rows), (_contrast(x) / CONTRAST).clamp(max=1)
        if self.dense and not self.inversion:
            light = (x.mean((1, 2, 3), keepdim=True) / DARK).clamp(max=1).square()
            transform = replace(transform, scale=1 + light * (transform.scale - 1), offset=light * transform.offset)
        return replace(transform, clutter=transform.clutter * contrast, noise=transform.noise * contrast)


def _contrast(x: Tensor) -> Tensor:
    """Standard deviation of each image, (N, 1, 1, 1). `Tensor.std` took a quarter of the time of a whole policy."""
    whole = (1, 2, 3)
    length = torch.linalg.vector_norm(x - x.mean(whole, keepdim=True), dim=whole, keepdim=True)
    channels, height, width = x.shape[1:]
    deviation: Tensor = length / (channels * height * width) ** 0.5
    return deviation


@settings
class Geometric(Mixing):
    """Geometric randomization: warps images and transforms the labels by the same warp, without a change of colour.

    Only labels that are positions or directions are transformed. Amplitudes are for strength 1. At strength s, values
    are sampled uniformly within s times the amplitude.

    Args:
        strength: 0..1; 0 is the identity. None: as in `Photometric`.
        rotation: degrees, plus or minus.
        scale: factor of size, 1 - scale to 1 + scale. None: 0.6 for classes, which do not depend on the size (digits
            fill the whole image in USPS and two thirds of it in MNIST); 0.2 for values, because simulators can render
            objects in their true size (0.4 did not improve a point in real webcam eyes).
        aspect: logarithm of the ratio of width to height, plus or minus.
        shear: displacement in x per pixel of y, plus or minus.
        shift: fraction of the image, plus or minus.
        elastic: largest displacement of a control point of the elastic deformation, fraction of the image.
        mirror: probability that left and right are exchanged, at any strength above 0. None: 0.5 for gaze and for a
            single point, else 0, because digits, text and several points depend on the side (such as the left and the
            right eye). A teacher needs mirrored images: only they reveal a shift of all its predictions to one side.
        crop: largest share of the area that a random crop leaves out; the rest is enlarged to the size of the image.
            For photographs in which the size and the place of an object vary. A point of a label may then lie outside.
    """

    rotation: Amplitude = 20.0
    scale: Annotated[float, Field(ge=0, lt=1)] | None = None
    aspect: Amplitude = 0.2
    shear: Amplitude = 0.2
    shift: Amplitude = 0.1
    elastic: Annotated[float, Field(ge=0, lt=0.25 / CELLS)] = 0.08
    mirror: Fraction | None = None
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def draw(self, x: Tensor, generator: torch.Generator, rows: Rows | None = None) -> tuple[Tensor, Warp | None]:
        """Warp images x (N, C, H, W) float32; see `Policy`."""
        if self.strength == 0:
            return x, None
        warp = self._warp(x, generator, rows=rows)
        return part_of(warp, rows).image(x), warp

    def settled(self, task: Task) -> Self:
        """Set strength, scale and mirror to the task's defaults if they are None."""
        self.refuse(task)
        own = SCALED if isinstance(task, Classification) else MEASURED
        scale = own if self.scale is None else self.scale
        single = isinstance(task, Gaze) or (isinstance(task, Keypoints) and task.outputs == 2)
        mirror = (MIRRORED if single else 0.0) if self.mirror is None else self.mirror
        return replace(self, strength=_strength(self, task), scale=scale, mirror=mirror)

    def _warp(
        self, x: Tensor, generator: torch.Generator, chosen: Selection | None = None, rows: Rows | None = None
    ) -> Warp:
        """The warp of the whole batch."""
        strength = _strength(self)
        return Warp.sample(
            _whole(x, rows),
            (x.shape[2], x.shape[3]),
            rotation=strength * self.rotation,
            scale=strength * (MEASURED if self.scale is None else self.scale),
            aspect=strength * self.aspect,
            shear=strength * self.shear,
            shift=strength * self.shift,
            elastic=strength * self.elastic,
            mirror=self.mirror or 0.0,
            crop=strength * self.crop,
            generator=generator,
            device=x.device,
            chosen=chosen,
        )


@settings
class Full(Photometric, Geometric):
    """Full randomization: all operations of `Geometric`, then all of `Photometric`, with one strength."""

    def settled(self, task: Task) -> Self:
        """As both base classes."""
        return marked(Geometric.settled(Photometric.settled(self, task), task), task)

    def draw(self, x: Tensor, generator: torch.Generator, rows: Rows | None = None) -> tuple[Tensor, Warp | None]:
        """Warp images x (N, C, H, W) float32 in 0..1 and change their colours; see `Policy`."""
        if self.strength == 0:
            return x, None
        chosen = self._chosen(_whole(x, rows), generator)
        warp = self._warp(x, generator, chosen, rows)
        # Convert the memory format once, not in each of both steps.
        warped = part_of(warp, rows).image(x.contiguous())
        return self._coloured(warped, generator, chosen, rows).contiguous(memory_format=layout(x)), warp

    def _chosen(self, n: int, generator: torch.Generator) -> Selection | None:
        """Mask of the n images that each operation acts on; None for all images."""
        return None


def marked(policy: Settled, task: Task) -> Settled:
    """The same policy, which knows whether the task is dense."""
    object.__setattr__(policy, "dense", task.dense)
    return policy


def _whole(x: Tensor, rows: Rows | None) -> int:
    """Number of images in the batch, of which images x are these rows; all for None."""
    return len(x) if rows is None else rows.whole


def _strength(policy: Policy, task: Task | None = None) -> float:
    """The policy's strength, or the default for the task if it is None."""
    own = DENSE_STRENGTH if task is not None and task.dense else STRENGTH
    return own if policy.strength is None else policy.strength


def _share(size: tuple[int, int]) -> float:
    """Factor in 0..1 for the strength of operations on single pixels, for an image of `size`."""
    return min(1.0, min(size) / FULL_SIDE)
