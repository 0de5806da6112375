"""Moments: a regression from images to the parameters that made them, and what its answers say of a whole domain.

The regression is learnt on rendered images, whose parameters are known. Its answers on single images are poor, but
their mean and spread over hundreds of images move with the centre and the width of each parameter's range, and hardly
with anything else. Where they agree on rendered and on real images, so do the ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..domains import to_float
from ..simulate import Simulator
from .ranges import Space
from .statistics import measure

PENALTIES = (1e0, 1e1, 1e2, 1e3, 1e4)  # of the ridge regression, of which the best on held-out images is taken
SHRINKAGE = 0.1  # of the answers' covariance towards its diagonal
PRIOR = 0.02  # weight of staying put, against the moments of one image
STRIDE = 0.5  # longest step of a centre or a width, in widths of the simulator's own range
SIGNIFICANT = 4.0  # least slope of an answer, in its standard errors: among many parameters, some seem to have one
FLOOR = 0.02  # least spread of an answer, in own widths


class Reader(nn.Module):
    """A small network and a ridge regression side by side: images (N, C, H, W) to parameters (N, P), in own widths.

    Args:
        shape: channels, height, width.
        outputs: P.
        width: channels of the first of three convolutions, each of stride 2; 0 leaves the ridge regression alone.
    """

    def __init__(self, shape: tuple[int, int, int], outputs: int, width: int) -> None:
        super().__init__()
        self.centre, self.scale = torch.zeros(()), torch.ones(())
        self.ridge = torch.zeros(0, outputs)
        self.share = torch.zeros(outputs)  # of the network's answer; the rest is the ridge regression's
        self.body: nn.Sequential | None = None
        if width:
            layers: list[nn.Module] = []
            for before, after in ((shape[0], width), (width, 2 * width), (2 * width, 4 * width)):
                layers += [nn.Conv2d(before, after, 3, 2, 1), nn.ReLU()]
            sides = [-(-side // 8) for side in shape[1:]]
            self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * width * sides[0] * sides[1], 64), nn.ReLU())
            self.head = nn.Linear(64, outputs)

    def features(self, images: Tensor) -> Tensor:
        """What the answers are read from: the network's last layer, or the statistics alone, (N, F) float32."""
        if self.body is None:
            return self._statistics(images)[:, :-1]
        parts = [self.body(to_float(part) * 2 - 1) for part in images.split(500)]
        return torch.cat(parts)

    def forward(self, images: Tensor) -> Tensor:
        """Parameters as read, (N, P) float32."""
        linear = self._statistics(images) @ self.ridge
        if self.body is None:
            return linear
        return torch.lerp(linear, self.head(self.features(images)), self.share)

    def _statistics(self, images: Tensor) -> Tensor:
        """Standardised, cut at four deviations, with a column of ones."""
        z = torch.cat([measure(part) for part in images.split(500)])
        z = ((z - self.centre) * self.scale).clamp(-4, 4)
        return torch.cat([z, torch.ones_like(z[:, :1])], 1)

    def learn(self, images: Tensor, values: Tensor, seed: int, steps: int = 400) -> None:
        """Fit both parts to `values` (N, P); the last fifth of the images says how much each is trusted."""
        held = len(images) // 5
        with torch.no_grad():
            z = torch.cat([measure(part) for part in images.split(500)])
            self.centre, self.scale = z.mean(0), 1 / z.std(0).clamp(min=1e-4)
            self.ridge = _ridge(self._statistics(images), values, held)
        if self.body is None:
            return
        self._train(images[:-held], values[:-held], seed, steps)
        with torch.no_grad():
            linear = self._statistics(images[-held:]) @ self.ridge - values[-held:]
            deep = self.head(self.features(images[-held:])) - values[-held:]
            apart = linear - deep
            self.share = ((linear * apart).sum(0) / apart.square().sum(0).clamp(min=1e-6)).clamp(0, 1)

    def _train(self, images: Tensor, values: Tensor, seed: int, steps: int) -> None:
        assert self.body is not None
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            for module in [*self.body, self.head]:
                if isinstance(module, nn.Conv2d | nn.Linear):
                    module.reset_parameters()
        weights = [*self.body.parameters(), *self.head.parameters()]
        optimizer = torch.optim.AdamW(weights, 2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
        spread = values.std(0).clamp(min=1e-3)
        for _ in range(steps):
            batch = torch.randint(len(images), (64,), generator=generator)
            loss = ((self.head(self.features(images[batch])) - values[batch]) / spread).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _ridge(z: Tensor, values: Tensor, held: int) -> Tensor:
    """Weights (F + 1, P), each column with the penalty that is best on the last `held` rows, then fitted to all."""

    def fitted(x: Tensor, y: Tensor, penalty: float) -> Tensor:
        damping = torch.full((x.shape[1],), penalty, dtype=torch.float64)
        damping[-1] = 1e-6
        x, y = x.double(), y.double()
        weights: Tensor = torch.linalg.solve(x.T @ x + damping.diag(), x.T @ y)
        return weights.float()

    errors = torch.stack(
        [(z[-held:] @ fitted(z[:-held], values[:-held], p) - values[-held:]).square().mean(0) for p in PENALTIES]
    )
    every = torch.stack([fitted(z, values, p) for p in PENALTIES])
    best = errors.argmin(0)
    chosen: Tensor = every[best, :, torch.arange(values.shape[1])].T
    return chosen


@dataclass(frozen=True)
class Moments:
    """The reader's answers on the real images, and how they follow the ranges.

    Args:
        space: the parameters searched.
        reader: learnt on rendered images.
        slope: (P, P), by how much each answer moves with each parameter, both in own widths.
        mean, spread: (P,) of the answers on the real images.
        whiten: (P, P), to answers that are uncorrelated and of unit spread on the real images.
    """

    space: Space
    reader: Reader
    slope: Tensor
    mean: Tensor
    spread: Tensor
    whiten: Tensor

    @classmethod
    def learn(cls, space: Space, simulator: Simulator, real: Tensor, images: int, seed: int, width: int = 0) -> Moments:
        """Render `images` from `simulator`, whose ranges should be wide, and read them and the real ones.

        Args:
            space: names the parameters, and their unit: the width of their own ranges.
            real: (N, C, H, W) images.
            width: as in `Reader`.
        """
        made = simulator.sample(images, seed)
        values = space.units(made.parameters)
        reader = Reader((made.images.shape[1], made.images.shape[2], made.images.shape[3]), values.shape[1], width)
        reader.learn(made.images, values, seed)
        with torch.no_grad():
            held = images // 5
            answers, truth = reader(made.images[-held:]).double(), values[-held:].double()
            centred = truth - truth.mean(0)
            damping = 1e-3 * held * torch.eye(len(space.names), dtype=torch.float64)
            normal = centred.T @ centred + damping
            slope = torch.linalg.solve(normal, centred.T @ (answers - answers.mean(0)))
            noise = (answers - answers.mean(0) - centred @ slope).std(0)
            error = torch.linalg.inv(normal).diagonal().sqrt()[:, None] * noise
            slope = torch.where(slope.abs() > SIGNIFICANT * error, slope, 0).T
            seen = reader(real).double()
        covariance = torch.cov(seen.T).view(len(space.names), -1)
        diagonal = covariance.diagonal().clamp(min=FLOOR**2)
        covariance = (1 - SHRINKAGE) * covariance + torch.diag(diagonal * SHRINKAGE)
        whiten = torch.linalg.inv(torch.linalg.cholesky(covariance))
        return cls(space, reader, slope, seen.mean(0), diagonal.sqrt(), whiten)

    def of(self, images: Tensor) -> list[float]:
        """The moments of rendered images less those of the real ones: P of means, in units of the spread; P logarithms
        of the ratio of spreads. All 0 where the domains agree."""
        with torch.no_grad():
            answers = self.reader(images).double()
        ratio = answers.std(0).clamp(min=FLOOR) / self.spread
        return [*(self.whiten @ (answers.mean(0) - self.mean)).tolist(), *ratio.log().tolist()]

    def distance(self, moments: Sequence[float]) -> float:
        """Root mean square of the moments."""
        return float(torch.tensor(moments).square().mean().sqrt())

    def jacobian(self, widths: Tensor) -> Tensor:
        """(2P, 2P), by how much each moment moves with each centre and each width."""
        count = len(self.space.names)
        whole = torch.zeros(2 * count, 2 * count, dtype=torch.float64)
        whole[:count, :count] = self.whiten @ self.slope
        whole[count:, count:] = self.slope.square() * widths / (12 * self.spread.square()[:, None])
        return whole

    def information(self, widths: Tensor) -> Tensor:
        """(2P, 2P), what one image tells of all centres and all widths (Fisher's information of the moments)."""
        jacobian = self.jacobian(widths)
        information: Tensor = jacobian.T @ (self._weight()[:, None] * jacobian)
        return information

    def step(self, point: Tensor, moments: Sequence[float]) -> Tensor:
        """Where a Gauss-Newton step leads from `point` (2P,): all centres, then all widths."""
        count = len(self.space.names)
        normal = self.information(point[count:]) + PRIOR * torch.eye(2 * count, dtype=torch.float64)
        pull = self.jacobian(point[count:]).T @ (self._weight() * torch.tensor(moments, dtype=torch.float64))
        move: Tensor = torch.linalg.solve(normal, -pull)
        return point + move.clamp(-STRIDE, STRIDE)

    def _weight(self) -> Tensor:
        """One over the variance of each moment of one image: 1 of a mean, 1/2 of a logarithm of a spread."""
        return torch.tensor([1.0, 2.0], dtype=torch.float64).repeat_interleave(len(self.space.names))
