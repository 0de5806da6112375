"""`synth2real gap`: measures how far two domains lie apart."""

from __future__ import annotations

from rich.table import Table

from ...data.domains import Unlabelled
from ...data.reading.loading import load_unlabelled
from ...data.reading.pixels import Conversion
from ...data.sparse import Layout
from ...errors import InputError
from ...measure.gap import Gap, measure_gap
from ...simulate import is_simulator, simulator
from ...training.model import Model
from ...training.saved_model import load_model
from ..arguments import GapArguments
from ..console import Result, print_result
from ..inputs import check_for_simulators, feature_hardware, format_for, read_both_groups, reading, reading_of


def gap(args: GapArguments) -> Result:
    """Load both domains, measure, and print a table and what its numbers mean."""
    check_for_simulators(args.source, args.n, None)
    hardware = feature_hardware(args)
    model = None if args.features is None else load_model(args.features, trust=args.trust, hardware=hardware)
    own = args.size or args.resize or args.channels or args.depth or args.background != Conversion.background
    if model is not None and own:
        raise InputError(
            "--size, --resize, --channels, --depth and --background apply to pixels, but --features compares features "
            "of a run, which converts images as in its training. Leave them out"
        )
    how = {**reading(args), "layout": Layout.of([args.source, args.target])}
    if model is not None:
        how |= reading_of(model, skip_bad=args.skip_bad) | {"given": ()}  # features of the images alone
    target = load_unlabelled(args.target, **how, format=format_for(args.target, args))
    if is_simulator(args.source):
        source = rendered(args, target)
    else:
        source = load_unlabelled(args.source, **how, masks=False, format=format_for(args.source, args))
    groups = read_both_groups(args.group, (args.source, source), (args.target, target))
    found = measure_gap(source, target, features=model, seed=args.seed, groups=groups)
    show(found, args, model)
    return found.to_dict()


def rendered(args: GapArguments, target: Unlabelled) -> Unlabelled:
    """Images of the simulator, of the target's size and channels."""
    if len(target.shape) != 3:
        raise InputError(f"the simulator '{args.source}' renders images, the target has features {target.shape}")
    channels, height, width = target.shape
    made = simulator(args.source, size=(height, width), channels=channels)
    return made.labelled(args.n or 1000, args.seed).unlabelled()


def show(found: Gap, args: GapArguments, model: Model | None) -> None:
    """Print the table, and a sentence for each number."""
    on = found.on if model is None else f"{found.on} of {args.features}"
    table = Table(
        "distance", "value", "95% interval", title=f"{found.source} source and {found.target} target samples, {on}"
    )
    for name, distance in found.distances.items():
        table.add_row(name, f"{distance.value:.3g}", f"{distance.low:.3g} to {distance.high:.3g}")
    print_result(table)
    for name in found.distances:
        print_result(f"{name}: {found.meaning(name)}")
