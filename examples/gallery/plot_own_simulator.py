"""
A simulator of your own
=======================

A function that draws images from parameters is a simulator: it renders, trains, and is calibrated like the others.
"""

import matplotlib.pyplot as plt
import torch

from synth2real import Budget, Route
from synth2real.calibrate import Posterior
from synth2real.randomize import Photometric
from synth2real.simulate import Drawn, Parameter, declared

SIDE = 24

# %%
# Parameters have a name, a unit, a description, limits, and the range that is sampled by default. What is random and
# no parameter, such as the place of the disc, comes from the generator.


@declared(
    Parameter("radius", "pixels", "of the disc", (1, 10), (3, 6)),
    Parameter("light", "intensity", "of the disc", (0, 1), (0.6, 1.0)),
    Parameter("soft", "pixels", "width of the edge", (0.2, 5), (0.5, 1.0)),
    columns={"place": ("x", "y")},
)
def discs(values, frame, generator):
    """Discs on a dark wall."""
    height, width = frame.size
    count = len(values["radius"])
    centre = torch.rand(count, 2, generator=generator) * (width / 2) + width / 4
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = ((columns - centre[:, 0, None, None]) ** 2 + (rows - centre[:, 1, None, None]) ** 2).sqrt()
    edge = (values["radius"][:, None, None] - distance) / values["soft"][:, None, None]
    return Drawn((values["light"][:, None, None] * edge.sigmoid())[:, None], {"place": centre})


# %%
# The real discs are darker and softer than the simulator has them. Calibration moves its ranges.

simulator = discs(size=(SIDE, SIDE))
real = simulator.with_ranges(light=(0.25, 0.45), soft=(1.8, 2.6)).labelled(500, seed=1, label="place")
found = Posterior().fit(simulator, real.unlabelled()).simulator
for name in ("radius", "light", "soft"):
    before, after = simulator.range(name), found.range(name)
    print(f"{name}: {before[0]:.2f} to {before[1]:.2f}, now {after[0]:.2f} to {after[1]:.2f}")

# %%
# A model that finds the centre, and what it finds.

source = found.labelled(2000, seed=0, label="place")
model = Route(randomize=Photometric()).run(source, real.unlabelled(), budget=Budget(steps=200)).model
answers = model.predict(real.inputs[torch.arange(8)]).values

figure, axes = plt.subplots(1, 8, figsize=(10, 1.5), layout="constrained")
for axis, image, answer in zip(axes, real.inputs, answers, strict=False):
    axis.imshow(image[0], cmap="gray", vmin=0, vmax=255 if image.dtype == torch.uint8 else 1)
    axis.plot(*answer, "+", color="tab:orange", markersize=12)
    axis.set(xticks=[], yticks=[])
