"""The report is one small file that loads nothing. Every image has a text, and its scripts run without errors."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from synth2real.adapt import MSDA
from synth2real.calibrate import Posterior
from synth2real.comparison.comparison import Comparison, RouteCandidate, compare
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.datasets import handwriting
from synth2real.randomize import Full
from synth2real.refine import SimGAN
from synth2real.report import gaps, write_report
from synth2real.report.images import contact_sheet, pixels
from synth2real.report.sections import ranges, steps_of
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.simulate import Digits, Normal
from synth2real.tasks import Gaze

VOID = {"meta", "link", "img", "br"}
BUDGET = Budget(steps=20, n=200)


class Page(HTMLParser):
    """Elements in order, and text by innermost element. Raises if tags do not match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing, at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        where = self.open[-1] if self.open else ""
        self.text[where] = self.text.get(where, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    target, test = handwriting()
    routes = {
        "calibrated": Route(calibrate=Posterior(trials=3, images=40, rounds=2)),
        "<b>randomized</b></script>": Route(randomize=Full()),
        "refined": Route(refine=SimGAN(steps=10, pretrain_critic=4, maps=8, blocks=1)),
    }
    some = torch.arange(60)
    return compare(
        routes, Digits(size=(8, 8)), target.subset(some), test=test.subset(some), budget=BUDGET, seeds=(0, 1)
    )


@pytest.fixture(scope="module")
def report(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(comparison, path)
    return path


def written(comparison: Comparison, folder: Path) -> Page:
    write_report(comparison, folder / "report.html")
    return Page(folder / "report.html")


def test_report_is_one_small_file_that_loads_nothing(report: Path) -> None:
    assert report.stat().st_size < 8e6
    page = Page(report)
    addresses = [a.get("src") or a.get("href") for _, a in page.elements if a.get("src") or a.get("href")]
    assert all(str(address).startswith(("data:", "#")) for address in addresses)
    assert not page.all("iframe")
    assert not re.search(r"@import|url\(", page.text["style"])


def test_every_image_has_alternative_text(report: Path) -> None:
    pictures = Page(report).all("img")
    assert len(pictures) > 5
    assert all(picture["alt"] for picture in pictures)
    assert any("refined images" in str(picture["alt"]) for picture in pictures)
    assert sum("displacement: " in str(picture["alt"]) for picture in pictures) == 6


def test_ranking_contains_every_route_and_marks_the_chosen(comparison: Comparison, report: Path) -> None:
    html = report.read_text(encoding="utf-8")
    ranking = html[html.index('id="ranking"') :].split("</table>")[0]
    assert ranking.count("<tr") == len(comparison.candidates) + len(comparison.aggregates) + 1
    (chosen,) = re.findall(r'<tr class="chosen">.*?</tr>', ranking, re.DOTALL)
    assert "✓ chosen" in chosen
    assert f"{comparison.rows()[0]['accuracy_mean']:.1%}".replace("%", " %") in ranking
    assert "<b>randomized</b></script>" not in html


def test_report_shows_ranges_before_and_after_calibration(comparison: Comparison, report: Path) -> None:
    runs = [candidate.trials[0].run for candidate in comparison.candidates]
    calibration = next(run.calibration for run in runs if run.calibration is not None)
    assert calibration is not None
    given = replace(calibration, ranges_before={**calibration.ranges_before, "height": (0.61, 0.72)})
    (height,) = [found for found in ranges(given) if found.name == "height"]
    low, high = next(p.limits for p in calibration.simulator.parameters if p.name == "height")
    assert height.before == "0.61 to 0.72"
    assert height.old == pytest.approx((100 * (0.61 - low) / (high - low), 100 * 0.11 / (high - low)))
    normal = replace(calibration, ranges={**calibration.ranges, "height": Normal(0.6, 0.05)})
    (height,) = [found for found in ranges(normal) if found.name == "height"]
    assert height.after == "0.6 ± 0.05"
    assert height.new == pytest.approx((100 * (0.5 - low) / (high - low), 100 * 0.2 / (high - low)))
    html = report.read_text(encoding="utf-8")
    for found in ranges(calibration):
        assert f"<td>{found.name}</td><td>{found.before}</td><td>{found.after}</td>" in html
    assert ("Calibration found no ranges with a smaller distance" in html) == (not calibration.moved)
    assert ("No setting of the simulator reproduces the mean real image exactly" in html) == (
        calibration.discrepancy is not None
    )


def test_gaps_have_intervals(comparison: Comparison, report: Path) -> None:
    routes = gaps.rows(comparison)[: len(comparison.candidates)]
    for row, candidate in zip(routes, comparison.candidates, strict=True):
        for name in ("gap_before", "gap_after"):
            low, high = row[f"{name}_interval"]
            assert 0 <= low <= row[name] <= high <= 2
            cell = f'{row[name]:.2f} <span class="ends">({low:.2f} to {high:.2f})</span></td>'
            assert cell in report.read_text(encoding="utf-8")
        assert row["gap_before"] == candidate.trials[0].gap_before
    assert len({tuple(row["gap_before_interval"]) for row in routes}) == 1
    whole = gaps.rows(replace(comparison, target_groups=torch.arange(len(comparison.target)) % 4))
    assert whole[0]["gap_before"] == routes[0]["gap_before"]
    assert whole[0]["gap_before_interval"] != routes[0]["gap_before_interval"]


def test_report_without_real_labels_has_no_real_scores(comparison: Comparison, tmp_path: Path) -> None:
    unscored = [replace(e, trials=[replace(t, test_metrics=None) for t in e.trials]) for e in comparison.candidates]
    page = written(replace(comparison, candidates=unscored, test=None), tmp_path)
    assert "because no real test labels were given" in page.text["p"]
    assert "accuracy on real" not in page.text["button"]
    assert "Confusion matrix" not in page.text["h2"]


def blobs(count: int) -> Labelled:
    """Images with one bright dot, labelled with its position."""
    places = torch.arange(count) % 12
    images = torch.zeros(count, 3, 12, 12)
    images[torch.arange(count), :, 5, places] = 1
    return Labelled(images, places[:, None].float(), columns=("place",))


def test_predicted_values_are_plotted_against_true_values(tmp_path: Path) -> None:
    data = blobs(120)
    page = written(compare({}, data, data.unlabelled(), test=data, budget=BUDGET, seeds=(0,)), tmp_path)
    assert "Predicted versus true values" in page.text["h2"]
    assert "Confusion matrix" not in page.text["h2"]
    assert "The mean error on 120 real test samples is" in page.text["p"]


def test_report_on_features_has_no_images(tmp_path: Path) -> None:
    x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
    source = Labelled(x, (x[:, 0] > 0).long())
    page = written(compare({}, source, Unlabelled(x + 1), budget=BUDGET, seeds=(0,)), tmp_path)
    assert not page.all("img")
    assert "Results" in page.text["h2"]


def test_images_are_shrunk_and_keep_their_aspect_ratio() -> None:
    wide = torch.rand(3, 3, 36, 60)
    assert pixels(wide, 24).shape == (3, 3, 14, 24)
    small = (torch.rand(3, 1, 8, 8) * 255).to(torch.uint8)
    assert torch.equal(pixels(small, 24), small)
    assert contact_sheet(wide).startswith("data:image/png;base64,")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium: apt-get install chromium")
def test_browser_draws_the_report_without_errors(report: Path, tmp_path: Path) -> None:
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    done = subprocess.run(
        ["chromium", *flags.split(), "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}",
         "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--dump-dom", report.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert any("document idle" in line for line in messages)
    assert not [line for line in messages if "INFO:CONSOLE" not in line or "rror" in line or "Failed" in line]
    assert 'class="bk-Figure"' in done.stdout


def test_gaze_error_is_in_degrees(tmp_path: Path) -> None:
    data = blobs(120)
    angles = (data.labels - 6) / 20
    gaze = Labelled(data.inputs, torch.cat([angles, -angles], 1), columns=("pitch", "yaw"))
    task = Gaze.of(gaze)
    comparison = compare({}, gaze, gaze.unlabelled(), test=gaze, task=task, budget=BUDGET, seeds=(0,))
    assert comparison.rows()[0]["mean_degrees_mean"] == pytest.approx(
        comparison.chosen.trials[0].test_metrics["mean_degrees"]
    )
    page = written(comparison, tmp_path)
    assert re.search(r"The mean error on 120 real test samples is [\d.e-]+ degrees\.", page.text["p"])
    assert "mean error in degrees on real" in page.text["button"]


def test_closed_form_route_has_no_steps():
    assert steps_of(RouteCandidate("words", Route(adapt=MSDA()))) == "none (closed-form solution)"
