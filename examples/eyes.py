"""A sheet of rendered eyes with what the simulator knows of them: lids, iris, pupil and gaze.

python examples/eyes.py docs/pictures/eyes.png
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse

from synth2real.simulate import Eyes

ROWS, COLUMNS = 3, 6
presets = {"webcam": Eyes(size=(72, 120), channels=3), "infrared": Eyes(preset="infrared", size=(128, 128))}

figure = plt.figure(figsize=(12, 9), facecolor="white")
for part, (name, eyes) in zip(figure.subfigures(2, height_ratios=(0.75, 1)), presets.items(), strict=True):
    part.suptitle(name)
    drawn = eyes.sample(ROWS * COLUMNS, seed=4)
    for i, axis in enumerate(part.subplots(ROWS, COLUMNS).flat):
        axis.imshow(drawn.images[i].movedim(0, -1).squeeze(), cmap="gray", vmin=0, vmax=255)
        axis.axis("off")
        axis.autoscale(False)  # lids go beyond the frame
        if i % COLUMNS < COLUMNS // 2:  # the left half as the model sees it
            continue
        lids, (x, y) = drawn.labels["eyelid"][i].view(-1, 2), drawn.labels["iris"][i].tolist()
        axis.plot(*lids.T, ".", color="gold", markersize=2)
        if x == x:  # nan where the iris is covered
            width, height, angle = drawn.labels["ellipse"][i].tolist()
            shape = Ellipse((x, y), 2 * width, 2 * height, angle=angle * 57.3, fill=False, color="lime", linewidth=0.8)
            axis.add_patch(shape)
            gaze = drawn.labels["gaze_vector"][i] * 2.5 * width
            axis.annotate("", (x + gaze[0], y + gaze[1]), (x, y), arrowprops={"arrowstyle": "->", "color": "red"})
        axis.plot(*drawn.labels["pupil"][i], "+", color="cyan", markersize=6)
figure.savefig(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("eyes.png"), dpi=80, bbox_inches="tight")
