"""`synth2real render`: labelled images from a simulator."""

from __future__ import annotations

from typing import Any, cast

from ...simulate import load_parameters, simulator
from ...simulate import render as render_images
from ..console import console, warnings_on_stderr
from ..requests import RenderRequest


def render(request: RenderRequest) -> None:
    """Render the images and write them."""
    settings: dict[str, Any] = {"channels": request.channels or 1}
    if request.size is not None:
        settings["size"] = request.size
    if request.preset is not None:
        settings["preset"] = request.preset
    if request.params is not None:
        settings["ranges"] = load_parameters(request.params)
    with warnings_on_stderr():
        made = simulator(request.name, **settings)
        render_images(
            made, request.n, request.out, request.seed, request.overwrite, request.masks, cast(Any, request.format)
        )
    console.print(f"rendered {request.n} images to {request.out}", soft_wrap=True)
