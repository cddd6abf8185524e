"""A figure is written as a page that works offline, and in which nothing typed can run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from knockoff.plotting.arrays import figure_of_array
from knockoff.plotting.charts import figure_of_chart
from knockoff.plotting.columns import Column, figure_of_columns
from knockoff.plotting.errors import PlotError
from knockoff.plotting.pages import KEPT, open_in_browser, write_html

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_page_has_all_it_needs(tmp_path: Path) -> None:
    """At a beamline the browser often has no way out."""
    page = write_html(figure_of_array(np.arange(3), title="A"), tmp_path / "a.html").read_text()

    assert not re.search(r"https?:", page.replace(_library(page), ""))
    assert "plotly.js v" in page[:100_000]
    assert "default-src 'none'" in page


def test_nothing_that_people_typed_can_run(tmp_path: Path) -> None:
    """Neither as markup of the page, nor as markup that Plotly would draw."""
    rows = [{"run": 1, "hits": 1, "kind": EVIL, "comment": EVIL}]
    kind = Column("kind", EVIL, EVIL)
    figure = figure_of_columns(rows, kind, Column("hits", EVIL), kind)

    page = write_html(figure, tmp_path / "a.html").read_text()

    own = page.replace(_library(page), "")
    assert own.count("<script") == own.count("</script>") == 2
    assert "<img" not in own
    assert "<script" not in json.dumps(figure.to_plotly_json(), default=str)
    (nonce,) = set(re.findall(r"nonce-([\w-]+)'", page))
    assert set(re.findall(r'<script nonce="([\w-]+)">', own)) == {nonce}


def test_a_chart_cannot_be_uploaded_by_mistake(tmp_path: Path) -> None:
    """Plotly 7 has a button for it in every chart; the data are the proposal's."""
    page = write_html(figure_of_array(np.arange(3), title="A"), tmp_path / "a.html").read_text()

    own = page.replace(_library(page), "")
    assert '"showSendToCloud": false' in own
    assert '"plotlyServerURL": ""' in own
    assert "form-action 'none'" in own


def test_the_script_is_valid_javascript(tmp_path: Path) -> None:
    """Escaping must not break the page that it keeps safe."""
    figure = figure_of_array(np.arange(3), title=f"{EVIL} \u2028 & 'quoted' \"twice\" \\")
    page = write_html(figure, tmp_path / "a.html").read_text()

    written = re.search(r"^const figure = (.*);$", page, re.MULTILINE)

    assert written is not None
    drawn = json.loads(written[1])
    assert drawn["data"][0]["type"] == "scatter"
    assert "alert" in drawn["layout"]["title"]["text"]


def test_a_stored_figure_s_own_words_cannot_run_either(tmp_path: Path) -> None:
    """It was made by a context file, and what that read may come from anywhere."""
    document = {
        "data": [{"type": "scatter", "y": [1, 2], "text": [EVIL, EVIL], "name": EVIL}],
        "layout": {"title": {"text": EVIL}, "annotations": [{"text": EVIL}]},
    }

    page = write_html(figure_of_chart(document, EVIL), tmp_path / "a.html").read_text()

    own = page.replace(_library(page), "")
    assert own.count("<script") == own.count("</script>") == 2
    assert "<img" not in own


def test_a_page_without_a_path_is_the_user_s_alone(cache: Path) -> None:
    """Data of a proposal are not for everybody on the machine; yesterday's pages go."""
    figure = figure_of_array(np.arange(3), title="A")
    first = write_html(figure)
    os.utime(first, (time.time() - KEPT - 60,) * 2)

    second = write_html(figure)

    assert second.stat().st_mode & 0o777 == 0o600
    assert second.parent == cache / "knockoff" / "plots"
    assert second.parent.stat().st_mode & 0o777 == 0o700
    assert not first.exists()


def test_a_home_that_cannot_be_written_to_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine where people have none."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    path = write_html(figure_of_array(np.arange(3), title="A"))

    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()


def test_a_path_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """With the path, and what to do."""
    with pytest.raises(PlotError, match=r"nowhere/a\.html cannot be written: No such file"):
        write_html(figure_of_array(np.arange(3), title="A"), tmp_path / "nowhere" / "a.html")


def test_without_a_display_nothing_is_opened_and_nothing_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command then prints the path; a browser in the terminal would draw over the table."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)

    assert open_in_browser(tmp_path / "a.html") is False
    assert capfd.readouterr() == ("", "")


def test_the_user_s_browser_is_given_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever it says to its terminal is not said into ours."""
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" | tee {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")

    assert open_in_browser(tmp_path / "a b.html") is True
    assert seen.read_text().strip() == (tmp_path / "a b.html").as_uri()
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_fails_is_no_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the path is printed after all."""
    monkeypatch.setenv("BROWSER", "/bin/false %s")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    assert open_in_browser(tmp_path / "a.html") is False


def test_importing_the_room_loads_neither_plotly_nor_numpy() -> None:
    """A command that plots nothing does not wait for it."""
    check = (
        "import sys, knockoff.plotting.columns, knockoff.plotting.pages;"
        "print(sorted({'plotly', 'numpy', 'pandas'} & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def _library(page: str) -> str:
    """Plotly's own source, which may contain anything."""
    first = page.index(">", page.index("<script")) + 1
    return page[first : page.index("</script>", first)]
