"""Speed of refinement: this library and a plain loop with the same refiner.

The plain loop uses float32, contiguous memory, batches of 256, no gradients, and uint8 input and output. The library
chooses the precision and the memory format of the machine, and parts that fit the processor's cache. The refiner is
that of SimGAN with random weights, so that it changes the images. The outputs must differ by at most 2 of 255 levels on
average.

    python -m benchmarks.speed.refine [--rounds 5] [--n 2048] [--threads 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios, timed
from synth2real.networks.layers import Refiner
from synth2real.refine import SimGAN
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop

CASES: dict[str, tuple[tuple[int, int, int], SimGAN]] = {
    "28x28x1, 32 maps, 2 blocks": ((1, 28, 28), SimGAN()),
    "35x55x1, the paper's": ((1, 35, 55), SimGAN(preset="paper")),
    "128x128x3, 32 maps, 2 blocks": ((3, 128, 128), SimGAN()),
}
COLUMNS = (
    Column("case", "refining"),
    Column("ours", "images/s"),
    Column("naive", "plain loop, images/s"),
    Column("ratio", "ratio", whole=True),
    Column("apart", "difference, of 255 levels"),
)
LEVELS = 2.0  # largest allowed mean difference, of 255


def prepared(shape: tuple[int, ...], gan: SimGAN) -> SimGAN:
    """A refiner in its state after training, but with random weights."""
    hardware = Hardware.detect()
    gan.prepare(shape, Loop(steps=1, hardware=hardware))
    torch.manual_seed(0)
    for parameter in gan.refiner.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    gan.refiner.to(hardware.device, memory_format=hardware.memory_format)  # type: ignore[call-overload]
    return gan


def naive(gan: SimGAN) -> Callable[[Tensor], Tensor]:
    """A plain loop over batches."""
    device = next(gan.refiner.parameters()).device
    refiner = Refiner(gan.shape[0], gan.maps, gan.blocks, gan.output).to(device)
    refiner.load_state_dict(gan.refiner.state_dict())
    refiner.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def run(x: Tensor) -> Tensor:
        with torch.no_grad():
            parts = [refiner(part.to(device).float() / 255) for part in x.split(256)]
            return torch.cat([(part.clamp(0, 1) * 255).round().to(torch.uint8).cpu() for part in parts])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--n", type=int, default=2048, help="number of 28 by 28 images; fewer if larger, with as many pixels"
    )
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    hardware = Hardware.detect().applying()
    rows = [measured(name, *case, arguments.n, arguments.rounds) for name, case in CASES.items()]
    settings = {"rounds": arguments.rounds, "n": arguments.n, "device": str(hardware.device)}
    show("speed/refine", COLUMNS, rows, {**settings, "precision": hardware.precision})


def measured(name: str, shape: tuple[int, int, int], gan: SimGAN, n: int, rounds: int) -> Row:
    """One row: both refine the same images."""
    ours, theirs = prepared(shape, gan).transform, naive(gan)
    count = max(32, n * 784 // (shape[1] * shape[2]))
    x = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    apart = float((ours(x).float() - theirs(x).float()).abs().mean())
    if apart > LEVELS:
        raise SystemExit(f"{name}: the outputs differ by {apart:.2f} levels, expected at most {LEVELS}")
    times = interleaved({"ours": timed(lambda: ours(x)), "naive": timed(lambda: theirs(x))}, rounds)
    speeds = {who: rates(count, seconds) for who, seconds in times.items()}
    return {"case": name, **speeds, "ratio": ratios(times["naive"], times["ours"]), "apart": apart}


if __name__ == "__main__":
    main()
