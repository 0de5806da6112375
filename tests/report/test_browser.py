"""The report in a real browser: plots, tooltips, sorting and dark mode work, and no network request is made."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import torch

from browser import Tab, needs_chromium, visit
from synth2real import Budget, Labelled, Route, compare
from synth2real.adapt import DANN
from synth2real.report import write_report

POINT = """(() => {
  const view = [...Bokeh.index.roots].find(v => v.model.renderers.some(r => r.data_source.data.label));
  if (!view || !view.frame) return null;
  view.el.scrollIntoView();
  const d = view.model.renderers[0].data_source.data, box = view.el.getBoundingClientRect();
  return [box.left + view.frame.x_scale.compute(d.x[3]), box.top + view.frame.y_scale.compute(d.y[3])];
})()"""
HOVERED = """(() => {
  const found = [];
  const walk = root => { for (const e of root.querySelectorAll('*')) {
    if (e.tagName === 'IMG' && e.naturalWidth && e.style.height === '64px') found.push(e.alt);
    if (e.shadowRoot) walk(e.shadowRoot); } };
  walk(document);
  return found;
})()"""
CELLS = "[...document.querySelectorAll('#ranking tbody tr')].map(row => row.cells[0].innerText)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    places = torch.arange(60) % 10
    images = torch.zeros(60, 3, 12, 12)
    images[torch.arange(60), :, 5, places] = 1
    data = Labelled(images, places[:, None].float(), columns=("place",))
    routes = {"dann": Route(adapt=DANN())}
    found = compare(routes, data, data.unlabelled(), test=data, budget=Budget(steps=5, batch=8), seeds=(0,))
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(found, path)
    return path


def kept(name: str, tmp_path: Path) -> Path:
    """Path of a screenshot: in the folder of the environment variable, or else in a temporary folder."""
    return Path(os.environ.get("SYNTH2REAL_SCREENSHOTS", tmp_path)) / f"{name}.png"


@needs_chromium
def test_plots_tooltips_sorting_and_dark_mode_work_without_messages(page: Path, tmp_path: Path) -> None:
    async def doing(tab: Tab) -> None:
        await tab.until("window.Bokeh && Bokeh.index.roots.length >= 3")
        x, y = await tab.until(POINT)
        for aside in (30, 3, 1, 0):
            await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + aside, y=y)
            await asyncio.sleep(0.2)
        pictures = await tab.until(f"({HOVERED}).length && {HOVERED}")
        assert any(alt.startswith("true: place") for alt in pictures)
        await tab.picture(kept("hover", tmp_path))
        await tab.picture(kept("light", tmp_path), whole=True)  # after the tooltips: it moves the plots for a while

        names = await tab.value(CELLS)
        await tab.value("document.querySelector('#ranking button').click()")
        assert await tab.value(CELLS) == sorted(names, reverse=True)
        await tab.value("document.querySelector('#ranking button').click()")
        assert await tab.value(CELLS) == sorted(names)

        light = await tab.value("getComputedStyle(document.body).backgroundColor")
        await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        dark = await tab.value("getComputedStyle(document.body).backgroundColor")
        assert light != dark
        ink = "Bokeh.documents[0].all_models"
        axis = f"[...{ink}].find(m => 'axis_label_text_color' in m.properties).axis_label_text_color"
        text = await tab.value("getComputedStyle(document.body).color")
        assert await tab.until(f"JSON.stringify({axis}).includes({text!r}) && {axis}")
        await tab.picture(kept("dark", tmp_path), whole=True)

    tab = visit(page, tmp_path / "profile", doing, (1200, 900))
    assert tab.requests == []
    assert tab.complaints == []


@needs_chromium
def test_phone_needs_no_horizontal_scrolling(page: Path, tmp_path: Path) -> None:
    async def doing(tab: Tab) -> None:
        await tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        await tab.until("window.Bokeh && Bokeh.index.roots.length >= 3")
        wide = await tab.value("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
        await tab.picture(kept("phone", tmp_path), whole=True)

    assert visit(page, tmp_path / "profile", doing, (390, 844)).complaints == []
