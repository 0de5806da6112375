"""Directions of gaze and head as unit vectors and as angles, in the convention of MPIIGaze's normalised data.

Axes of a direction are x right, y down, z away from the camera. Pitch, positive up, is asin(-y), and yaw, positive to
the left of the image, is atan2(-x, -z): the direction into the camera, (0, 0, -1), has both 0.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def to_vectors(angles: Tensor) -> Tensor:
    """Unit vectors (N, 3) from pitch and yaw (N, 2) in radians; nan where either is."""
    pitch, yaw = angles.unbind(-1)
    x, y, z = components(pitch, yaw)
    return torch.stack([x, y + 0 * yaw, z], -1)


def components(pitch: Tensor, yaw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, y, z of the unit vector, each of the shape of the angles, in radians."""
    return -pitch.cos() * yaw.sin(), -pitch.sin(), -pitch.cos() * yaw.cos()


def to_angles(vectors: Tensor) -> Tensor:
    """Pitch and yaw (N, 2) in radians from vectors (N, 3) of any length above 0."""
    x, y, z = F.normalize(vectors, dim=-1).unbind(-1)
    return torch.stack([torch.asin(-y.clamp(-1, 1)), torch.atan2(-x, -z)], -1)


def degrees_between(a: Tensor, b: Tensor) -> Tensor:
    """Angles (N,) in degrees, 0..180, between directions given as pitch and yaw (N, 2) in radians; nan where one is."""
    u, v = to_vectors(a.double()), to_vectors(b.double())
    # Of half the angle, whose tangent is exact where the cosine of the whole one is flat.
    return 2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)).rad2deg()
