"""Pools of hand-made candidates."""

from collections.abc import Sequence

import torch
from torch import Tensor

from synth2real.select.validators import Candidate, Moved, Pool
from synth2real.tasks import Classification, Task


def pool(
    task: Task,
    target: Sequence[Tensor],
    *,
    source: Sequence[Tensor] | None = None,
    labels: Tensor | None = None,
    features: Sequence[tuple[Tensor, Tensor]] | None = None,
    names: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    mixed: Sequence[tuple[float, float]] | None = None,
    prior: Tensor | None = None,
    moved: bool = True,
) -> Pool:
    """A pool of candidates from their raw outputs; tensors that a test does not give are sampled with seed 0."""
    generator = torch.Generator().manual_seed(0)
    source = source or [torch.randn(8, task.outputs, generator=generator) for _ in target]
    features = features or [
        (torch.randn(len(source[0]), 4, generator=generator), torch.randn(len(target[0]), 4, generator=generator))
        for _ in target
    ]
    if labels is None:
        count = len(source[0])
        labels = torch.arange(count) % task.outputs if isinstance(task, Classification) else task.predict(source[0])
    candidates = [
        Candidate(
            name=names[i] if names else f"route {i}",
            seed=seeds[i] if seeds else 0,
            source=source[i],
            target=target[i],
            source_features=features[i][0],
            target_features=features[i][1],
            classifier=None,
            mixed=mixed[i] if mixed else (0.5, 0.5),
            moved=Moved(*[task.predict(target[i])] * 3) if moved else None,
        )
        for i in range(len(target))
    ]
    return Pool(candidates, task, labels, prior)


def logits(probabilities: Sequence[Sequence[float]]) -> Tensor:
    """Raw outputs whose softmax is `probabilities`."""
    return torch.tensor(probabilities, dtype=torch.float64).clamp(min=1e-30).log().float()
