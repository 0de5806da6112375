"""The picture of the README: digits as rendered, calibrated, randomized, refined, and the real ones.

python examples/stages.py docs/pictures/stages.png
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from synth2real.calibrate import Posterior
from synth2real.data.domains import to_float
from synth2real.datasets import handwriting
from synth2real.randomize import Geometric
from synth2real.refine import SimGAN
from synth2real.simulate import Digits
from synth2real.training.loop import Loop

target, _ = handwriting()
simulator = Digits(size=(8, 8))
calibrated = Posterior().fit(simulator, target).simulator
source = calibrated.labelled(3000, seed=0)
some = source.inputs[torch.arange(48)]
randomized, _ = Geometric().draw(to_float(some), torch.Generator().manual_seed(0))
refiner = SimGAN().fit(source, target, Loop(steps=1))
stages = {
    "rendered": simulator.sample(48, seed=0).images,
    "calibrated": some,
    "randomized": (randomized * 255).to(torch.uint8),
    "refined": refiner.transform(some),
    "real": target.inputs[torch.arange(48)],
}
figure, axes = plt.subplots(1, len(stages), figsize=(12, 2), facecolor="white")
for axis, (name, images) in zip(axes, stages.items(), strict=True):
    padded = torch.nn.functional.pad(images[:, 0], (0, 1, 0, 1), value=60)
    axis.imshow(padded.view(6, 8, 9, 9).permute(0, 2, 1, 3).reshape(54, 72), cmap="gray", vmin=0, vmax=255)
    axis.set_title(name, fontsize=11)
    axis.axis("off")
figure.tight_layout()
figure.savefig(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("stages.png"), dpi=110, bbox_inches="tight")
