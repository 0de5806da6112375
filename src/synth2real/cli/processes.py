"""A command on several processes, as `torchrun` and `accelerate launch` start them: the first one writes and speaks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

TRAINING = ("train", "adapt", "refine")  # commands that several processes can run together
SILENT = {"quiet": True, "as_json": False, "tensorboard": False}  # options of all processes but the first


def count() -> int:
    """Number of processes that run this command together."""
    given = os.environ.get("WORLD_SIZE", "1")
    return int(given) if given.isdecimal() and "RANK" in os.environ else 1


def first() -> bool:
    """Whether this is the first of them, or the only one."""
    return count() == 1 or os.environ["RANK"] == "0"


def notes(name: str) -> list[str]:
    """What the user must know of how a command was started: `accelerate launch` starts one process on processors.

    With `--cpu`, or where it finds no GPU, it starts one whatever --num_processes says, and sets no RANK.
    """
    asked = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ  # of several processes
    if name not in TRAINING or not asked or "RANK" in os.environ:
        return []
    return [
        "accelerate launch was asked for several processes and has started one, as it does on processors. Start "
        "several with its --multi_gpu (also without a GPU, and without --cpu), or with torchrun"
    ]


def be_silent() -> None:
    """Print nothing in all processes but the first, and errors only from `together` on: all have the same options."""
    if count() > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a lost process is said in a line, not in stack traces
    if not first():
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # to the end of the process


@contextmanager
def together(name: str, options: Any) -> Iterator[Any]:
    """Join the processes of a command; gives its options for this process. Alone, the options as they are.

    An error that several processes meet is raised in one of them; the others end without a word, with the same exit
    code.

    Raises:
        InputError: the command runs in one process.
    """
    if count() == 1:
        yield options
        return
    check_trains(name)
    if not first():
        sys.stderr = sys.__stderr__
        silent = {key: value for key, value in SILENT.items() if key in {field.name for field in fields(options)}}
        options = replace(options, **silent)
    if options.dry_run:  # the first process alone says what it would do
        if not first():
            raise SystemExit(0)
        yield options
        return
    from ..errors import ProcessError
    from ..training.distributed import started

    with started(options.device) as processes:
        try:
            yield options
        except KeyboardInterrupt:
            if not first():
                raise SystemExit(130) from None
            raise
        except ProcessError as error:
            if processes.said() or not processes.says_first("lost"):
                raise SystemExit(2) from error
            raise
        except (ValueError, OSError, RuntimeError) as error:
            if not processes.says_first(str(error)):
                raise SystemExit(2) from error
            raise


def check_trains(name: str) -> None:
    """Raise `InputError` for a command that several processes cannot run together."""
    from ..errors import InputError

    if name not in TRAINING:
        mend = "Its option --jobs starts processes" if name == "compare" else "Start it without torchrun"
        raise InputError(
            f"{name} was started on {count()} processes (WORLD_SIZE), expected one: only {', '.join(TRAINING)} run on "
            f"several. {mend}"
        )
