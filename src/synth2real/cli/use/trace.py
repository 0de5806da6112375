"""`synth2real trace`: what an output was made from, back to the simulator's seed, and whether it is still the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from rich.tree import Tree

from ...errors import InputError
from ...storage import PROVENANCE, Node, Record, code_version, read_record
from ...storage import trace as traced
from ...storage.lineage import CHANGED
from ...storage.lineage import MISSING as GONE
from .. import arguments
from ..arguments import TraceArguments
from ..config_file import option_names
from ..console import Result, amount, print_result
from ..provenance import READ, known_before, telling

SHORT = 12  # digits of a hash that are shown
UNSAID = (*READ, "out", "to", "seed", "seeds", "task", "versions", "hardware")  # said elsewhere, or by --json
WRITERS = "render, convert, calibrate, refine, train, adapt, compare, plan, predict, export or report"


def trace(args: TraceArguments) -> Result:
    """Print the tree of an output, and how many of its inputs still hold what they held."""
    if not args.out.exists():
        raise InputError(f"{args.out}: no such folder or file, expected an output of {WRITERS}")
    check_output(args.out)
    tree = traced(args.out, known_before, telling(args.out))
    print_result(drawn(tree))
    inputs = list(below(tree))
    states = {state: [str(one.path) for one in inputs if one.state == state] for state in (CHANGED, GONE)}
    for line in conclusions(inputs, states):
        print_result(line)
    return {"out": args.out, "tree": tree.plain(), "changed": states[CHANGED], "missing": states[GONE]}


def check_output(out: Path) -> None:
    """Raise `InputError` if nothing tells what `out` was made from, before any of it is read."""
    if read_record(out) is not None or known_before(out) is not None:
        return
    whole = next((one for one in out.absolute().parents if read_record(one) is not None), None)
    part = "" if whole is None else f". It is a part of {whole}, which can be traced"
    if inside := made_from(out):
        part = f". In it can be traced: {', '.join(inside)}"
    raise InputError(
        f"{out}: found no {PROVENANCE} and no settings that tell what it was made from, expected an output of "
        f"{WRITERS}{part}"
    )


def below(node: Node) -> Iterator[Node]:
    """All inputs in a tree."""
    for one in node.inputs:
        yield one
        yield from below(one)


def conclusions(inputs: list[Node], states: dict[str, list[str]]) -> list[str]:
    """What has become of the inputs, in words."""
    hashed = {str(one.path): one for one in inputs if one.path is not None and one.content is not None}
    lines = [f"{state}: {', '.join(dict.fromkeys(paths))}" for state, paths in states.items() if paths]
    if hashed and not lines:
        lines.append(f"{amount(len(hashed), 'input')} with a place, and none has changed since or is missing")
    return lines


def drawn(node: Node, parent: Record | None = None) -> Tree:
    """The tree for the eye."""
    tree = Tree("\n".join(words(node, parent)))
    for one in node.inputs:
        tree.children.append(drawn(one, node.record))
    return tree


def words(node: Node, parent: Record | None) -> Iterator[str]:
    """A node in lines: its name and state, how it was made, what it holds and where it is."""
    role = f"{node.role}: " if node.role else ""
    place = f" at {node.path}" if node.path is not None and str(node.path) != node.name else ""
    state = f" [{node.state}]" if node.role and node.path is not None else ""
    yield f"{role}{node.name}{state}{place}"
    if node.simulator is not None:
        yield simulated(node.simulator, parent)
    if node.record is not None:
        yield made_by(node.record)
        yield (
            coded(node.record)
            if node.recorded
            else (
                f"found no {PROVENANCE}: an earlier version wrote this, so only its options are known, and no content"
            )
        )
    if node.content is not None:
        holds, size = node.content, node.content.bytes / 1e6
        yield f"content {holds.hash[:SHORT]}, {amount(holds.files, 'file')}, {size:,.2f} MB"
    if not node.role and node.path is not None and (further := made_from(node.path)):
        yield f"made from it: {', '.join(further)}"


def simulated(simulator: dict[str, Any], parent: Record | None) -> str:
    """A simulator with its seed, the number of its images, and the settings that are no defaults."""
    settings = {k: v for k, v in (simulator.get("settings") or {}).items() if v not in (None, {}, [], ())}
    seeds = "" if parent is None else f"{seeded(parent)}, "
    known = ", ".join(f"{name} {short(value)}" for name, value in settings.items())
    count = f", ranges of {amount(len(simulator['ranges']), 'parameter')}" if "ranges" in simulator else ""
    return f"simulator, {seeds}{known or 'settings not known'}{count}"


def made_by(record: Record) -> str:
    """The command, its seed if it has one, and its options that are no defaults."""
    usual = defaults(record.command)
    given = {k: v for k, v in record.options.items() if k not in UNSAID and v is not None and v != usual.get(k)}
    options = "".join(f", {name} {short(value)}" for name, value in given.items())
    seeds = f", {seeded(record)}" if record.seeds or not record.code else ""
    return f"by {record.command}{seeds}{options}"


def seeded(record: Record) -> str:
    """`seed 0`, or `seeds 0, 1, 2`."""
    if not record.seeds:
        return "seed not known"
    return f"seed{'s' if len(record.seeds) > 1 else ''} {', '.join(map(str, record.seeds))}"


def defaults(command: str) -> dict[str, Any]:
    """The options that a command has if none are given."""
    options = getattr(arguments, f"{command.capitalize()}Arguments", None)
    if options is None:
        return {}
    names = option_names(options)
    return {names[one.name]: one.default for one in fields(options) if one.default is not MISSING}


def coded(record: Record) -> str:
    """The code that wrote an output, and whether it is that of now."""
    code, now = record.code, code_version()
    commit = "" if code["commit"] is None else f", commit {code['commit'][:SHORT]}"
    same = "the code of now" if code["hash"] == now["hash"] else "not the code of now"
    return f"synth2real {code['version']}{commit}, code {code['hash'][:SHORT]} ({same})"


def short(value: Any) -> str:
    """A setting in a few words."""
    if isinstance(value, list):
        return ("x" if all(isinstance(one, int) for one in value) else " ").join(map(short, value))
    if isinstance(value, dict):
        return f"of {', '.join(value)}" if len(value) > 3 else ", ".join(f"{k} {short(v)}" for k, v in value.items())
    return str(value)


def made_from(path: Path) -> list[str]:
    """The files in a folder that were made from it later, each with its command."""
    if not path.is_dir():
        return []
    ends = f".{PROVENANCE}"
    outputs = [path / one.name.removesuffix(ends) for one in sorted(path.glob(f"*{ends}"))]
    records = {one.name: read_record(one) for one in outputs if one.exists()}
    return [f"{name} ({record.command})" for name, record in records.items() if record is not None]
