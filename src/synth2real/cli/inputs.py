"""What commands read: source, target and labelled real data, as their options name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..data.boxes import BOXES
from ..data.domains import Labelled, Unlabelled
from ..data.fitting import TILES, USUAL, Resize
from ..data.formats import NATIVE, find_format, format_of
from ..data.groups import Groups, read_groups
from ..data.masks import MASK, of_regions
from ..data.multi_source import join
from ..data.reading.loading import is_hub, load, load_unlabelled
from ..data.reading.pixels import Conversion
from ..data.reading.places import has_columns
from ..data.sparse import SVMLIGHT, Layout
from ..data.tiles.cutting import images_of, refused
from ..deploy import OnnxModel, load_onnx
from ..errors import InputError
from ..measure.ratios import usual_resize
from ..route.preconditions import check_pair
from ..route.run import Budget
from ..simulate import SIMULATORS, Simulator, is_simulator, load_parameters, simulator
from ..tasks import TASKS, Classification, Detection, Gaze, Segmentation, Task
from ..tasks.classification import aligned_classes
from ..tasks.dense import DenseTask
from ..training.hardware import Hardware
from ..training.model import Model
from ..training.saved_model import load_model
from .arguments import (
    AdaptArguments,
    CalibrateArguments,
    Data,
    EvaluateArguments,
    GapArguments,
    PredictArguments,
    Reading,
    TestedData,
)
from .console import console

CROPPED = (
    "the sides of the images have different ratios: the middle of each is cropped to --size, which keeps the shapes; "
    "--resize stretch or --resize letterbox does otherwise"
)
PICTURED = {Segmentation.kind: MASK, Detection.kind: BOXES}  # the label of the tasks whose labels lie in the image
SHOWN = 200  # rendered images that show what a simulator renders


def load_pair(data: Data) -> tuple[Labelled | Simulator, Unlabelled, Layout | None]:
    """Source and target, and how svmlight files among them are read."""
    check_task(data.task)
    if data.resize == TILES and not TASKS[data.task].dense:
        raise refused(f"--task {data.task} is of whole images")
    check_for_simulators(data.source[0], data.n, data.preset, data.params)
    layout = decide_layout(data)
    if data.resize is None and default_resize(data, data.size) == "crop":
        console.print(CROPPED, soft_wrap=True)
    how = {**reading(data), "layout": layout, "given": data.given, "format": format_for(data.target, data)}
    # The masks beside the images of a target are no images.
    target = load_unlabelled(data.target, **how, masks=not TASKS[data.task].dense)
    return load_source(data, target, layout), target, layout


def reading(args: Reading, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """How images are read, as keyword arguments of `load` and `load_unlabelled`.

    Args:
        args: of the command.
        size: height and width, where it is not --size that says them.

    Raises:
        InputError: --resize without a size.
    """
    size = size or args.size
    if args.resize is not None and size is None:
        raise InputError(
            f"--resize {args.resize} says how images are brought to a size, found no --size. Add it, such as --size 224"
        )
    memory = None if args.memory is None else int(args.memory * 1e9)
    how = Conversion(size, args.channels, args.skip_bad, args.depth, args.background, memory)
    return asdict(replace(how, resize=args.resize or default_resize(args, size)))


def format_for(path: Path | str, args: Reading | EvaluateArguments | PredictArguments) -> str | None:
    """The format of --format for data beside the source: where its marks are; else the format is found."""
    if args.format in (None, NATIVE) or is_hub(path):
        return None if is_hub(path) else args.format
    assert args.format is not None
    return args.format if find_format(args.format).found(Path(path)) else None


def default_resize(args: Reading, size: tuple[int, int] | None) -> Resize:
    """How images are brought to a size without --resize: for classes it follows from the images."""
    if size is None or not isinstance(args, Data) or args.task != Classification.kind:
        return USUAL
    return usual_resize([*args.source, args.target])


def conversion_of(args: Data, source: Labelled | Simulator, target: Unlabelled) -> Conversion:
    """What is stored with a run, so that predictions read images as it did; the depth is that of the target."""
    depth = target.depth or (source.depth if isinstance(source, Labelled) else None) or args.depth
    return replace(Conversion(**reading(args)), skip_bad=False, memory=None, depth=depth)


def load_run(path: Path, *, trust: bool, device: str | None = None) -> Model | OnnxModel:
    """The model of a run folder, or of an `.onnx` that was exported from one.

    Raises:
        InputError: there is none, this machine does not have the device (--device), or an `.onnx` is to use another one
            than the CPU.
    """
    hardware = Hardware.detect(device)
    if path.suffix.lower() != ".onnx" or path.is_dir():
        return load_model(path, trust=trust, hardware=hardware)
    if device not in (None, "cpu"):
        raise InputError(
            f"--device {device}: {path} is computed by onnxruntime on the CPU, expected cpu. Leave it out, or give the "
            "run folder"
        )
    return load_onnx(path)


def reading_of(model: Model | OnnxModel, *, skip_bad: bool = False) -> dict[str, Any]:
    """How the images of a run were read, as keyword arguments of `load` and `load_unlabelled`."""
    how = asdict(replace(model.conversion, skip_bad=skip_bad))
    return {**how, "layout": model.layout, "given": model.given_columns}


def images_for(model: Model | OnnxModel, path: Path, args: PredictArguments | AdaptArguments) -> Unlabelled:
    """Images without labels, read as those of the run were. Of a dense task masks beside the images are left out."""
    kind = format_for(path, args) if isinstance(args, PredictArguments) else None
    how = {**reading_of(model, skip_bad=args.skip_bad), "format": kind}
    return load_unlabelled(path, **how, masks=not model.task.dense)


def feature_hardware(args: CalibrateArguments | GapArguments) -> Hardware:
    """Where a command computes the features of --features. Raise `InputError` if --device came without them."""
    if args.device is not None and args.features is None:
        raise InputError(
            f"--device {args.device} is for --features, found none: pixels are compared without a network. Leave it out"
        )
    return Hardware.detect(args.device)


def settle_task(data: Data, source: Labelled | Simulator, target: Unlabelled) -> Task:
    """The task, after a check that source and target fit each other."""
    labelled = shown(source, data)
    check_pair(labelled, target)
    return TASKS[data.task].of(labelled)


def shown(source: Labelled | Simulator, data: Data) -> Labelled:
    """A labelled source as it is, or some images of a simulator, which show what it renders."""
    return source if isinstance(source, Labelled) else source.labelled(SHOWN, data.seed, given=data.given)


def described(data: Data, task: Task) -> dict[str, Any]:
    """The data as plain data for `settings.yaml`."""
    first, *more = data.source
    return {
        "source": first,
        "more": more or None,
        "target": str(data.target),
        "label": list(data.label) or None,
        "given": list(data.given) or None,
        "task": {"kind": task.kind, **task.settings()},
        "preset": data.preset,
        "params": str(data.params) if data.params else None,
        "n": (data.n or Budget.n) if is_simulator(first) else None,
        "seed": data.seed,
        **Conversion(**reading(data)).plain(),
        "zero_based": data.zero_based,
    }


def one_source(data: Data, command: str) -> str:
    """The only source, for a command that takes one."""
    if len(data.source) > 1:
        raise InputError(
            f"{command} takes one source, found {len(data.source)}: {', '.join(data.source)}. "
            "Write them as one folder, or train on several with `synth2real train`"
        )
    return data.source[0]


def check_task(name: str) -> None:
    """Raise `InputError` where there is no task of that name."""
    if name not in TASKS:
        raise InputError(f"--task '{name}' is unknown, expected one of: {', '.join(TASKS)}")


def pictured(task: str, names: Sequence[str]) -> tuple[str, ...]:
    """The label that `load` and simulators take for the names of --label: regions of masks, or classes of boxes."""
    word = PICTURED.get(task)
    return tuple(names) if word is None else of_regions(names, word)


def check_for_simulators(source: str, n: int | None, preset: str | None, params: Path | None = None) -> None:
    """Raise `InputError` where an option for simulators came with another source; warn where a folder is meant."""
    if is_simulator(source):
        if Path(source).is_dir():
            console.warn(f"'{source}' is the simulator; for the folder of that name write ./{source}")
        return
    if n is not None:
        raise InputError(
            f"--n {n} sets how many images a simulator renders, but the source '{source}' is no simulator. "
            "Leave --n out: all images of a folder or file are used"
        )
    for option, value in {"--preset": preset, "--params": params}.items():
        if value is not None:
            raise InputError(
                f"{option} '{value}' is for simulators, but the source '{source}' is no simulator, expected one "
                f"such as {' or '.join(SIMULATORS)}. Leave {option} out"
            )


def decide_layout(data: Data) -> Layout | None:
    """How the svmlight files of source and target are read; None where neither is one."""
    files = [data.target, *(Path(name) for name in data.source if not is_simulator(name))]
    layout = Layout.of([file for file in files if file.is_file()], data.zero_based)
    if layout is None and data.zero_based is not None:
        option = "--zero-based" if data.zero_based else "--one-based"
        raise InputError(
            f"{option} is for svmlight files ({', '.join(SVMLIGHT)}), but neither source nor target is one. "
            f"Leave {option} out"
        )
    return layout


def load_source(data: Data, target: Unlabelled, layout: Layout | None) -> Labelled | Simulator:
    """The labelled source, several sources as one, or a simulator with the target's size and channels."""
    if len(data.source) > 1:
        return load_several(data, layout)
    if is_simulator(data.source[0]):
        check_labels(data.task, data.label)
        return load_simulator(data, target)
    return load_named(data.source[0], data, layout)


def load_several(data: Data, layout: Layout | None) -> Labelled:
    """All sources as one. Each sample records which source it is from."""
    rendering = next((name for name in data.source if is_simulator(name)), None)
    if rendering is not None:
        raise InputError(
            f"{rendering}: is a simulator among {len(data.source)} sources, expected folders or files. Write its "
            f"images first: synth2real render {rendering} --out FOLDER"
        )
    return join([load_named(name, data, layout) for name in data.source], data.source)


def load_named(name: str, data: Data, layout: Layout | None) -> Labelled:
    """The labelled folder or file of that name."""
    how = {**reading(data), "given": data.given, "format": None if is_hub(name) else data.format}
    return load_labelled(name, data.task, data.label, how, layout)


def load_simulator(data: Data, target: Unlabelled) -> Simulator:
    """The simulator, with the size and channels of the target. Without --label it uses its first label."""
    (name,) = data.source
    if len(target.shape) != 3:
        raise InputError(f"the simulator '{name}' renders images, the target has features {target.shape}")
    channels, height, width = target.shape
    label = pictured(data.task, data.label) or None
    values: dict[str, Any] = {"size": (height, width), "channels": channels, "label": label}
    if data.preset is not None:
        values["preset"] = data.preset
    if data.params is not None:
        values |= load_parameters(data.params)
    return simulator(name, **values)


def load_labelled(
    source: str,
    task: str,
    label: tuple[str, ...],
    how: dict[str, Any],
    layout: Layout | None = None,
) -> Labelled:
    """The folder or file with the labels that the task needs; `how` it is read is of `reading`."""
    check_labels(task, label)
    named: str | tuple[str, ...] | None = label
    if task == "classify":
        named = label[0] if label else None
    elif task == Gaze.kind:
        named = label or Gaze.columns
        Gaze(named)  # refuses wrong columns before anything is read
    else:
        named = pictured(task, label)
    return load(source, named, **how, layout=layout)


def check_labels(task: str, label: tuple[str, ...]) -> None:
    """Raise `InputError` where the task needs more or fewer labels."""
    if task == "classify" and len(label) > 1:
        raise InputError(f"--task classify takes one --label, found {len(label)}: {', '.join(label)}")
    if task not in ("classify", Gaze.kind, *PICTURED) and not label:
        raise InputError(
            f"--task {task} found no --label, expected the names of its columns, such as --label iris_x --label iris_y"
        )


def load_test(data: TestedData, task: Task, layout: Layout | None = None, *, aligned: bool = True) -> Labelled | None:
    """The labelled real data of --test. Models are scored on it; it never affects a choice.

    Args:
        aligned: refuse classes that the source lacks.
    """
    if data.test is None:
        return None
    kind = format_for(data.test, data)
    label, classes = label_to_test(task, data.label, data.test, kind)
    how = {**reading(data), "layout": layout, "given": data.given, "format": kind}
    test = load(data.test, label, **how, classes=classes)
    if aligned and isinstance(task, Classification | DenseTask):
        aligned_classes(test.classes, task.classes)
    check_units_of(task, test, f"--test {data.test}")
    return test


def label_to_test(
    task: Task, label: Sequence[str], path: Path, kind: str | None
) -> tuple[str | tuple[str, ...] | None, tuple[str, ...]]:
    """What `load` is asked for to score a task on labelled data: its label, and the names of masks without a legend.

    Args:
        task: of the model.
        label: of --label: the column of the classes, or regions.
        path: of the data.
        kind: its format, if another program has written it.
    """
    if isinstance(task, DenseTask):
        return pictured(task.kind, label), task.classes
    if not isinstance(task, Classification):
        known: Any = task.settings().get("columns", ())
        return tuple(known), ()
    if not label or (not has_columns(path) and format_of(path, kind) is None):
        return None, ()  # classes as folders have no column
    return label[0], ()


def check_units_of(task: Task, data: Labelled, what: str) -> None:
    """Raise `InputError` if labels of a task of values cannot be in its units. The message calls the data `what`."""
    try:
        task.check_labels(data.labels)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def read_both_groups(
    column: str | None,
    source: tuple[str, Labelled | Unlabelled | Simulator],
    target: tuple[Path, Unlabelled],
) -> tuple[Groups, Groups]:
    """Groups by --group of source and target, each given with its path; at least one must have that column.

    Without --group the tiles of an image are a group, if images are cut into tiles.
    """
    if column is None:
        return None if isinstance(source[1], Simulator) else images_of(source[1]), images_of(target[1])
    ours = None
    if not (isinstance(source[1], Simulator) or is_simulator(source[0])):  # a folder may have the simulator's name
        ours = read_groups(source[0], column, source[1])
    theirs = read_groups(target[0], column, target[1])
    if ours is None and theirs is None:
        raise InputError(
            f"--group '{column}': neither {source[0]} nor {target[0]} has that column in a metadata "
            "table, .npz or shard, expected it in one of them. Name the column of the person or video"
        )
    return ours, theirs
