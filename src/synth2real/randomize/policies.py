"""Policies: how far each image is changed while training, so that reality is one more sample of what was seen.

Tobin et al., Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World, IROS 2017.
"""

from dataclasses import replace
from typing import Annotated, Protocol, Self

import torch
from pydantic import Field
from torch import Tensor

from ..settings import settings
from ..tasks import Classification, Gaze, Keypoints, Task
from ..tint import Tint
from ..warp import CELLS, Warp, layout

Amplitude = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

STRENGTH, STRENGTH_OF_VALUES = 0.5, 0.3  # where none is set
SWAPPED = 0.5  # probability of inversion and of solarization where labels are classes
MIRRORED = 0.5  # probability of a mirror image where labels are one place or direction
FULL_SIDE = 28  # pixels; in a smaller frame a stroke has too few pixels to lose any


class Policy(Protocol):
    """What training asks of a policy.

    `draw` takes images (N, C, H, W) float32 in 0..1 and returns them changed, with the warp that moved them (None where
    nothing moved), by which the labels are moved too. Strength 0 returns the images themselves. `settled` fills in what
    follows from the task.
    """

    strength: Fraction | None

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]: ...

    def settled(self, task: Task) -> "Policy": ...


@settings
class Photometric:
    """Change colours, move nothing.

    Amplitudes are those at strength 1; at strength s values are drawn uniformly within s times the amplitude. What acts
    on single pixels (solarization, clutter, noise, blur, cutout) is weaker in proportion where the frame's shorter side
    is below 28 pixels: from rendered digits to handwriting of 8 by 8, `Full` so reaches an accuracy of 0.76, else 0.67.

    Args:
        strength: 0..1; 0 is the identity. None: 0.5 for classes, and 0.3 for values, which must be read off exactly (on
            real pupils a model learnt at 0.3 erred by 0.8 px after 600 steps, at 0.5 by 1.5).
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
    """

    strength: Fraction | None = None
    contrast: Amplitude = 1.0
    brightness: Amplitude = 0.4
    inversion: Fraction | None = None
    solarization: Fraction | None = None
    clutter: Amplitude = 0.4
    noise: Amplitude = 0.15
    blur: Amplitude = 1.0
    cutout: Fraction = 0.4

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]:
        """Tint images x (N, C, H, W) float32 in 0..1; see `Policy`."""
        return (x if self.strength == 0 else self._tint(x, generator).image(x)), None

    def settled(self, task: Task) -> Self:
        """Strength, inversion and solarization as the task wants them, where they are None."""
        own = SWAPPED if isinstance(task, Classification) else 0.0
        inversion, solarization = (own if now is None else now for now in (self.inversion, self.solarization))
        return replace(self, strength=_strength(self, task), inversion=inversion, solarization=solarization)

    def _tint(self, x: Tensor, generator: torch.Generator) -> Tint:
        size = (x.shape[2], x.shape[3])
        share = min(1.0, min(size) / FULL_SIDE)
        strength = _strength(self)
        fine = strength * share
        return Tint.sample(
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
        )


@settings
class Geometric:
    """Move pixels, and with them what labels say about places and directions; change no colour.

    Amplitudes are those at strength 1; at strength s values are drawn uniformly within s times the amplitude.

    Args:
        strength: 0..1; 0 is the identity. None as in `Photometric`.
        rotation: degrees, plus or minus.
        scale: factor of size, 1 - scale to 1 + scale.
        aspect: logarithm of the ratio of width to height, plus or minus.
        shear: x moved per pixel of y, plus or minus.
        shift: fraction of the frame, plus or minus.
        elastic: largest displacement of a control point of the elastic part, fraction of the frame.
        mirror: probability that left and right are swapped, at any strength above 0. None: 0.5 for gaze and for a
            single point, else 0: digits and text have handedness, and so have several points (which eye is the left?).
            A teacher needs it: a shift of all its answers to one side contradicts itself in no other way.
    """

    strength: Fraction | None = None
    rotation: Amplitude = 20.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.2
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
        """Strength and mirroring as the task allows, where they are None."""
        one_answer = isinstance(task, Gaze) or (isinstance(task, Keypoints) and task.outputs == 2)
        mirror = (MIRRORED if one_answer else 0.0) if self.mirror is None else self.mirror
        return replace(self, strength=_strength(self, task), mirror=mirror)

    def _warp(self, x: Tensor, generator: torch.Generator) -> Warp:
        strength = _strength(self)
        return Warp.sample(
            len(x),
            (x.shape[2], x.shape[3]),
            rotation=strength * self.rotation,
            scale=strength * self.scale,
            aspect=strength * self.aspect,
            shear=strength * self.shear,
            shift=strength * self.shift,
            elastic=strength * self.elastic,
            mirror=self.mirror or 0.0,
            generator=generator,
            device=x.device,
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
        warp = self._warp(x, generator)
        moved = warp.image(x.contiguous())  # one change of memory format there and one back, not two
        return self._tint(x, generator).image(moved).contiguous(memory_format=layout(x)), warp


def _strength(policy: Policy, task: Task | None = None) -> float:
    """The policy's own strength; where it is None, that of the task, or of classes where there is no task."""
    own = STRENGTH if task is None or isinstance(task, Classification) else STRENGTH_OF_VALUES
    return own if policy.strength is None else policy.strength
