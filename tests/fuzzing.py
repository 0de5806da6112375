"""Fuzzing of what reads files: mutations of valid files, and what every reader must do with them.

The default suite reads about 500 inputs, the same each time. `make fuzz` reads 50,000, and others each time.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from synth2real import InputError, Labelled, Unlabelled
from synth2real.data.sparse import Sparse

T = TypeVar("T")

SUITE = 500  # inputs of the default suite
INPUTS = int(os.environ.get("SYNTH2REAL_FUZZ", SUITE))
SECONDS = 10  # for one input
MEMORY = 2**30  # bytes, for one input
LONGEST = 2000  # characters of a message
LINUX = sys.platform == "linux"
INTERESTING = [value.to_bytes(n, order) for n in (1, 2, 4, 8) for order in ("big", "little")
               for value in (0, 1, 2 ** (8 * n - 1) - 1, 2 ** (8 * n - 1), 2 ** (8 * n) - 1)]  # fmt: skip


def fuzzed(inputs: int) -> settings:
    """The hypothesis settings of a test that reads so many of the 500 inputs."""
    return settings(
        max_examples=max(1, inputs * INPUTS // SUITE),
        derandomize=INPUTS == SUITE,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def read(reader: Callable[[], T], *named: object) -> T | None:
    """What `reader` gives; None if it refuses the input in the right way.

    It fails if another exception than `InputError` is raised, if the message is long or contains none of `named`, or if
    time or memory exceed their limits.
    """
    with _limits():
        try:
            return reader()
        except InputError as error:
            message = str(error)
    assert len(message) <= LONGEST, f"a message of {len(message)} characters: {message[:LONGEST]}"
    assert any(str(name) in message for name in named), f"the message does not name the input: {message}"
    return None


def check_domain(domain: Labelled | Unlabelled) -> None:
    """Assert that the inputs and the labels of a domain have the documented dtypes and shapes, and are finite."""
    inputs = domain.inputs
    if isinstance(inputs, Sparse):
        assert torch.from_numpy(inputs.matrix.data).isfinite().all()
    else:
        assert isinstance(inputs, torch.Tensor)
        assert inputs.dtype == torch.uint8 or (inputs.dtype == torch.float32 and inputs.isfinite().all())
    assert len(inputs) > 0
    assert inputs.shape.numel() > 0
    assert len(domain.shape) == 1 or domain.shape[0] in (1, 3)
    assert len(domain.names) == len(inputs)
    if not isinstance(domain, Labelled):
        return
    assert len(domain.labels) == len(inputs)
    if domain.classes:
        assert domain.labels.dtype == torch.int64
        assert len(set(domain.classes)) == len(domain.classes)
        assert not {"", "nan"} & set(domain.classes)
    else:
        assert domain.labels.is_floating_point()
        assert domain.labels.shape[1] == len(domain.columns)
        assert not domain.labels.isinf().any()  # an unknown value is nan


@st.composite
def mutated(draw: Any, valid: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """One of some valid files, with up to four edits: flips, truncation, splices, extreme numbers, and `tokens`."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 32))
        kind = draw(st.sampled_from(["overwrite", "insert", "delete", "cut", "repeat", "splice"]))
        if kind == "overwrite":
            new = draw(st.sampled_from([*tokens, *INTERESTING]) | st.binary(min_size=1, max_size=4))
            data[at : at + len(new)] = new
        elif kind == "insert":
            data[at:at] = draw(st.sampled_from([*tokens, *INTERESTING]) | st.binary(min_size=1, max_size=16))
        elif kind == "delete":
            del data[at : at + length]
        elif kind == "cut":
            del data[at:]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 8))
        else:
            other = draw(st.sampled_from(valid))
            data[at : at + length] = other[at : at + length]
    return bytes(data)


@contextmanager
def _limits() -> Iterator[None]:
    """Fail if the block takes too long, or touches too much memory (Linux only)."""
    timed = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if timed:
        signal.signal(signal.SIGALRM, _too_slow)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
    before = _held(reset=True)
    try:
        yield
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
    used = _held() - before
    assert used <= MEMORY, f"the input takes {used / 2**20:.0f} MiB"


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"the input takes more than {SECONDS} s")


def _held(*, reset: bool = False) -> int:
    """Peak of the resident memory in bytes since the last reset; 0 where the system does not say."""
    if not LINUX:
        return 0
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
