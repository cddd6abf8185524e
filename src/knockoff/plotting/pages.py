"""A figure as a page of its own, which needs no network, and the browser that shows it.

The page's content security policy lets only its own two scripts run, by a nonce,
and lets nothing be fetched or sent: whatever a title or comment says stays text, and
Plotly's button that uploads a chart to its makers is left out.
"""

from __future__ import annotations

import html
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.plotting.errors import PlotError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KEPT: Final = 24 * 3600
"""Seconds that a page is kept for which nobody gave a path."""

PATIENCE: Final = 5.0
"""Seconds in which a browser that cannot be started has said so."""

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; \
form-action 'none'; base-uri 'none'">
<title>{title}</title>
<style>html, body, #figure {{ height: 100%; margin: 0; }}</style>
</head>
<body>
<div id="figure"></div>
<script nonce="{nonce}">{library}</script>
<script nonce="{nonce}">
const figure = {figure};
const local = {{"showSendToCloud": false, "plotlyServerURL": ""}};
const ours = {{"responsive": true, "displaylogo": false, ...local}};
Plotly.newPlot("figure", figure.data, figure.layout, ours);
</script>
</body>
</html>
"""


def write_html(figure: Figure, path: Path | None = None) -> Path:
    """Write a page that shows `figure` offline, about 5 MB, most of it Plotly itself.

    Without a path it goes to the user's cache folder, readable by them alone, and is
    removed by a later call when it is a day old.

    Raises
    ------
    PlotError
        The file cannot be written.
    """
    page = _page(figure)
    try:
        if path is None:
            return _in_cache(page)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PlotError(
            f"{error.filename or path} cannot be written: {error.strerror}",
            "Choose another file, in a folder that is there and yours to write to.",
        ) from error
    return path


def open_in_browser(path: Path) -> bool:
    """Show a page in the user's browser; False, and not a word, where there is none.

    Blocks for up to 5 s. A browser in the terminal would draw over whoever
    calls this, so without a display only what ``BROWSER`` names is tried.
    """
    graphical = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not graphical:
        return False
    command = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"
    silent = subprocess.DEVNULL
    browser = subprocess.Popen(
        [sys.executable, "-c", command, path.absolute().as_uri()],
        stdin=silent, stdout=silent, stderr=silent, start_new_session=True,
    )  # fmt: skip
    try:
        return browser.wait(PATIENCE) == 0
    except subprocess.TimeoutExpired:  # it is the browser itself, which stays
        browser.returncode = 0  # not ours to wait for: no warning when this object goes
        return True


def _page(figure: Figure) -> str:
    from plotly.io import to_json
    from plotly.offline import get_plotlyjs

    return _PAGE.format(
        nonce=secrets.token_urlsafe(16),
        title=html.escape(html.unescape(figure.layout.title.text or "")),
        library=get_plotlyjs(),
        figure=_in_script(to_json(figure)),
    )


def _in_script(json: str) -> str:
    """JSON that cannot end the script it stands in."""
    for character in "<>&\u2028\u2029":
        json = json.replace(character, f"\\u{ord(character):04x}")
    return json


def _in_cache(page: str) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=_folder(), prefix="plot-", suffix=".html", delete=False
    ) as file:  # with mode 0600
        file.write(page)
    return Path(file.name)


def _folder() -> Path | None:
    """The user's own folder for pages, with the old ones gone; None for the system's."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    folder = Path(cache, "knockoff", "plots")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        return None
    for old in folder.glob("plot-*.html"):
        with suppress(OSError):  # another process was first
            if time.time() - old.stat().st_mtime > KEPT:
                old.unlink()
    return folder
