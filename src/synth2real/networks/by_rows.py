"""Networks of which each process computes some rows of a batch: batch statistics and random numbers are of all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..transforms.sampling import Rows
from ..transforms.warp import layout


class Exchange(Protocol):
    """What the processes of a training give each other, with gradients."""

    def gathered(self, own: Tensor, whole: int) -> Tensor:
        """All rows (whole, ...), from the own rows of each process."""
        ...

    def copied(self, x: Tensor) -> Tensor:
        """The same `x`, which all processes hold, for a computation of own rows."""
        ...

    def parts(self, whole: int) -> list[int]:
        """Number of the rows of each process."""
        ...


class ByRows(TorchFunctionMode):
    """Within it a network that gets some rows of a batch computes what it would compute for them in the whole batch.

    Batch normalisation takes the mean and the variance of all rows. Dropout, and whatever else draws random numbers in
    the shape of its input, draws those of all rows and takes its own. So no result depends on the number of processes,
    and the random numbers that follow are the same on all of them.

    Args:
        rows: of the network's input.
        exchange: with the other processes.
    """

    def __init__(self, rows: Rows, exchange: Exchange) -> None:
        super().__init__()
        self.rows, self.exchange = rows, exchange

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return self._batch_norm(*args, **kwargs)
        if func in DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func in LIKE and len(args[0]) == len(self.rows):
            return func(self._all(args[0], 1), *args[1:], **kwargs)[self.rows.own]
        if func in IN_PLACE and args[0].ndim and len(args[0]) == len(self.rows):
            return args[0].copy_(func(self._all(args[0], 1), *args[1:], **kwargs)[self.rows.own])
        if func in SIZED:
            size = tuple(args[0]) if args and not isinstance(args[0], int) else args
            if size and size[0] == len(self.rows):
                return func((self.rows.whole, *size[1:]), **kwargs)[self.rows.own]
        return func(*args, **kwargs)

    def _all(self, x: Tensor, times: int) -> Tensor:
        """Zeros for all rows, with `x` in place of the own ones. `times`: rows of `x` for each row of the batch."""
        whole = x.new_zeros(times * self.rows.whole, *x.shape[1:])
        whole = whole.contiguous(memory_format=layout(x)) if x.ndim == 4 else whole
        whole[times * self.rows.start : times * self.rows.stop] = x
        return whole

    def _dropout(
        self, func: Callable[..., Tensor], x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        times, rest = divmod(len(x), len(self.rows))
        if not training or p == 0 or rest:
            return func(x, p, training, inplace)
        dropped = func(self._all(x, times), p, True)[times * self.rows.start : times * self.rows.stop]
        return x.copy_(dropped) if inplace else dropped

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
        values, shape = x.float(), (1, -1, *[1] * (x.ndim - 2))
        mean, variance = self._moments(values)
        if running_mean is not None and running_var is not None:
            count = x.numel() // x.shape[1] * self.rows.whole / len(self.rows)
            with torch.no_grad():
                running_mean.lerp_(mean.to(running_mean), momentum)
                running_var.lerp_(variance.to(running_var) * (count / (count - 1)), momentum)
        mean, variance = self.exchange.copied(torch.stack([mean, variance])).unbind()
        scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
        shift = -mean * scale + (0 if bias is None else bias)
        return torch.addcmul(shift.view(shape), values, scale.view(shape)).to(x.dtype)

    def _moments(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (C,) each of values (n, C, ...), over all rows."""
        axes = [axis for axis in range(values.ndim) if axis != 1]
        variance, mean = torch.var_mean(values, axes, unbiased=False)
        parts = self.exchange.parts(self.rows.whole)
        every = self.exchange.gathered(torch.stack([mean, variance])[None], len(parts))
        share = (torch.tensor(parts, dtype=values.dtype, device=values.device) / self.rows.whole)[:, None]
        means, variances = every.unbind(1)  # (processes, C)
        mean = (share * means).sum(0)
        return mean, (share * (variances + (means - mean).square())).sum(0)


DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout}
LIKE = {torch.rand_like, torch.randn_like, torch.randint_like, torch.bernoulli}
IN_PLACE = {Tensor.bernoulli_, Tensor.normal_, Tensor.uniform_, Tensor.exponential_}
SIZED = {torch.rand, torch.randn}
