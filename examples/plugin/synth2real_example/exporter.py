"""An exporter: writes a trained model in a format of its own; here the weights as an `.npz`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from synth2real import Model


def write_weights(model: Model, path: Path, facts: dict[str, Any]) -> None:
    """The weights of the model by name, and what is known of it as JSON."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    with path.open("wb") as file:  # a path would get a suffix
        np.savez_compressed(file, facts=json.dumps(facts, default=str), **weights)
