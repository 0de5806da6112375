"""Gaze and head directions as unit vectors and as angles, in the convention of the normalised MPIIGaze data.

The axes of a direction are x right, y down, z away from the camera. Pitch is asin(-y), positive upwards. Yaw is
atan2(-x, -z), positive to the left of the image. The direction into the camera, (0, 0, -1), has pitch 0 and yaw 0.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def to_vectors(angles: Tensor) -> Tensor:
    """Unit vectors (N, 3) from pitch and yaw (N, 2) in radians; nan if pitch or yaw is nan."""
    pitch, yaw = angles.unbind(-1)
    x, y, z = components(pitch, yaw)
    return torch.stack([x, y + 0 * yaw, z], -1)


def components(pitch: Tensor, yaw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, y, z of the unit vector. The angles are in radians; each component has their shape."""
    return -pitch.cos() * yaw.sin(), -pitch.sin(), -pitch.cos() * yaw.cos()


def to_angles(vectors: Tensor) -> Tensor:
    """Pitch and yaw (N, 2) in radians from vectors (N, 3) of any positive length."""
    x, y, z = F.normalize(vectors, dim=-1).unbind(-1)
    return torch.stack([torch.asin(-y.clamp(-1, 1)), torch.atan2(-x, -z)], -1)


def relative_to(angles: Tensor, frame: Tensor) -> Tensor:
    """Pitch and yaw (N, 2) of directions in a turned frame, such as the eye in the head, all in radians.

    Args:
        angles: directions in the camera's frame, (N, 2).
        frame: pitch and yaw of the frame's own forward direction, (N, 2). It turns by yaw, then by pitch; no roll.
    """
    x, y, z = to_vectors(angles).unbind(-1)
    pitch, yaw = frame.unbind(-1)
    x, z = yaw.cos() * x - yaw.sin() * z, yaw.sin() * x + yaw.cos() * z
    y, z = pitch.cos() * y - pitch.sin() * z, pitch.sin() * y + pitch.cos() * z
    return to_angles(torch.stack([x, y, z], -1))


def degrees_between(a: Tensor, b: Tensor) -> Tensor:
    """Angles (N,) in degrees, 0..180, between directions (pitch and yaw, (N, 2), in radians); nan if one is nan."""
    u, v = to_vectors(a.double()), to_vectors(b.double())
    # The tangent of half the angle is precise for small angles. The cosine of the whole angle is flat there.
    return 2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)).rad2deg()
