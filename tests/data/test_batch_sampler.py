"""Samplers: each sample once an epoch, in an order that follows from seed and step; shards are read in turn."""

import numpy as np
import pytest
import torch

from synth2real.data.batch_sampler import BatchSampler, Runs, ShardSampler, sampler_of

LENGTHS = np.array([5, 3, 1, 8, 2, 7])  # 26 samples


def sampler(batch: int = 4, seed: int = 0, together: int = 2, order: np.ndarray | None = None) -> ShardSampler:
    return ShardSampler(Runs(LENGTHS, together, order), batch, seed)


@pytest.mark.parametrize("batch", [1, 4, 26, 60])
@pytest.mark.parametrize("together", [1, 2, 6, 100])
def test_every_sample_is_taken_once_an_epoch(batch: int, together: int) -> None:
    sample = sampler(batch, together=together)
    taken = torch.cat([sample(step) for step in range(-(-26 * 3 // batch))])
    for epoch in range(3):
        assert sorted(taken[26 * epoch : 26 * (epoch + 1)].tolist()) == list(range(26))


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    begun = sampler()
    for step in range(20):
        assert torch.equal(begun(step), sampler()(step))
    assert torch.equal(begun(3), sampler()(3))  # also after later steps
    assert not torch.equal(
        torch.cat([sampler(seed=1)(i) for i in range(6)]), torch.cat([sampler()(i) for i in range(6)])
    )
    assert sampler(seed=-3)(0).shape == (4,)


def test_each_epoch_has_another_order() -> None:
    sample = sampler(26)
    assert not torch.equal(sample(0), sample(1))


def test_only_the_runs_of_one_buffer_are_read_at_a_time() -> None:
    runs = np.repeat(np.arange(6), LENGTHS)
    taken = runs[torch.cat([sampler(1)(step) for step in range(26)]).numpy()].tolist()
    for run in range(6):
        places = [i for i, one in enumerate(taken) if one == run]
        assert len(set(taken[places[0] : places[-1] + 1])) <= 2
    assert taken != sorted(taken, key=taken.index)  # the two are mixed


def test_samples_that_are_counted_in_another_order_are_read_run_by_run() -> None:
    order = np.random.default_rng(0).permutation(26)
    plain, moved = sampler(), sampler(order=order)
    assert all(np.array_equal(order[plain(step).numpy()], moved(step).numpy()) for step in range(10))


def test_inputs_say_whether_they_are_read_in_runs() -> None:
    class Streamed:
        runs = Runs(LENGTHS, 2)

    assert type(sampler_of(torch.zeros(26, 3), 4, 0)) is BatchSampler
    assert type(sampler_of(Streamed(), 4, 0)) is ShardSampler  # type: ignore[arg-type]
