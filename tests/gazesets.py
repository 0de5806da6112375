"""Tiny folders in the formats of MPIIGaze and UnityEyes, of eyes drawn here."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from synth2real.tasks.directions import to_vectors


def draw_eye(
    pitch: float, yaw: float, size: tuple[int, int] = (36, 60), radius: float = 8.5, lids: float = 1.0
) -> np.ndarray:
    """(H, W) uint8: an eyeball in the image's middle with its iris disc (5.9 mm wide, 10 mm deep), between lids.

    Args:
        radius: of the iris in pixels.
        lids: half of the opening in radii of the iris.
    """
    fine = 4  # drawn larger, then averaged
    x, y, z = to_vectors(torch.tensor([[pitch, yaw]]))[0].tolist()
    rows, columns = (np.mgrid[: size[0] * fine, : size[1] * fine] + 0.5) / fine
    at = np.stack([columns - size[1] / 2, rows - size[0] / 2])
    away = at - np.array([x, y])[:, None, None] * (radius * 10 / 5.9)
    across = np.hypot(x, y) or 1.0
    along = (away[0] * x + away[1] * y) / across
    beside = (away[0] * y - away[1] * x) / across
    iris = (along / abs(z)) ** 2 + beside**2 < radius**2
    pupil = (along / abs(z)) ** 2 + beside**2 < (0.4 * radius) ** 2
    almond = np.abs(at[1]) < lids * radius * (1 - (at[0] / (2.6 * radius)) ** 2)
    image = np.where(almond, 215.0, 140.0)
    image[almond & iris] = 80
    image[almond & pupil] = 25
    return image.reshape(size[0], fine, size[1], fine).mean((1, 3)).round().astype(np.uint8)


def mpiigaze_folder(root: Path, days: dict[str, dict[str, int]], seed: int = 0) -> Path:
    """The archive's layout for people and days with so many frames each; the lists name all but the first left eye.

    Gaze is drawn within 0.3 radians; right eyes are stored as they are seen, mirrored.
    """
    random = np.random.default_rng(seed)
    for person, counts in days.items():
        lines = []
        for day, count in counts.items():
            sides = {}
            for side in ("left", "right"):
                angles = random.uniform(-0.3, 0.3, (count, 2))
                gaze = to_vectors(torch.from_numpy(angles)).numpy()
                sides[side] = {
                    "gaze": gaze,
                    "image": np.stack([draw_eye(*pair) for pair in angles]),
                    "pose": random.uniform(-0.2, 0.2, (count, 3)),
                }
            names = [f"{i + 1:04d}.jpg" for i in range(count)]
            path = root / "Data" / "Normalized" / person / f"{day}.mat"
            path.parent.mkdir(parents=True, exist_ok=True)
            savemat(path, {"data": sides, "filenames": np.array(names, dtype=object)[:, None]}, do_compression=True)
            lines += [f"{day}/{name} {side}" for name in names for side in ("left", "right")]
        listed = root / "Evaluation Subset" / "sample list for eye image" / f"{person}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(lines[1:]) + "\n")
    return root


def unityeyes_folder(root: Path, count: int, seed: int = 0, size: tuple[int, int] = (120, 160)) -> Path:
    """`1.jpg`, `1.json` and so on: eyes 40 pixels wide in larger frames, described from the image's bottom."""
    random = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(1, count + 1):
        pitch, yaw = random.uniform(-0.3, 0.3, 2).tolist()
        x, y, z = to_vectors(torch.tensor([[pitch, yaw]]))[0].tolist()
        Image.fromarray(draw_eye(pitch, yaw, size)).convert("RGB").save(root / f"{i}.jpg", quality=95)
        centre = np.array([size[1] / 2, size[0] / 2])
        turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        margin = centre + np.stack([-20 * np.cos(turn), -8 * np.sin(turn)], 1)
        caruncle = np.repeat(margin[:1], 7, 0)
        ring = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        iris = centre + np.array([x, y]) * 8.5 * 10 / 5.9 + 8.5 * np.stack([np.cos(ring), np.sin(ring)], 1)

        def texts(points: np.ndarray) -> list[str]:
            return [f"({x:.4f}, {size[0] - y:.4f}, 9.0000)" for x, y in points]

        described = {
            "interior_margin_2d": texts(margin),
            "caruncle_2d": texts(caruncle),
            "iris_2d": texts(iris),
            "eye_details": {"look_vec": f"({x:.4f}, {-y:.4f}, {z:.4f}, 0.0000)", "pupil_size": "0.1020631"},
            "head_pose": "(355.0770, 203.8451, 0.0000)",
        }
        (root / f"{i}.json").write_text(json.dumps(described, indent=2))
    return root
