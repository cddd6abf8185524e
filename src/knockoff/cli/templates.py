"""Context files that people start from, as they are shipped."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from knockoff.contextfile.problems import nearest
from knockoff.errors import ContextFileError


def template_names() -> list[str]:
    """The names that `template` knows."""
    folder = files("knockoff").joinpath("contexts")
    names = (each.name for each in folder.iterdir())
    return sorted(
        each.removesuffix(".py") for each in names if each[0] != "_" and each[-3:] == ".py"
    )


INSTRUMENTS: Final = {
    "FXE": "sa1",
    "SPB": "sa1",
    "HED": "sa2",
    "MID": "sa2",
    "SCS": "sa3",
    "SQS": "sa3",
    "SXP": "sa3",
}
"""The template for each instrument: that of the undulator which it takes its light from."""


def template_at(folder: Path) -> str:
    """The template for a proposal, whose folder names its instrument; else that for any."""
    named = (INSTRUMENTS.get(part) for part in reversed(folder.parts))
    return next(filter(None, named), "generic")


def template(name: str) -> str:
    """The text of a shipped context file, by its own name or by that of an instrument.

    Raises
    ------
    ContextFileError
        There is none of that name.
    """
    names = template_names()
    name = INSTRUMENTS.get(name.upper(), name)
    if name not in names:
        hint = nearest(name, [*names, *INSTRUMENTS])
        known = f"There are {', '.join(names)}, and the instruments {', '.join(INSTRUMENTS)}."
        raise ContextFileError(
            f"There is no template {name!r}. {hint if hint.startswith('Did') else known}"
        )
    return files("knockoff").joinpath("contexts", f"{name}.py").read_text(encoding="utf-8")


def template_or_file(name: str) -> str:
    """The text of a shipped context file, or of one that somebody has.

    Raises
    ------
    ContextFileError
        There is neither a template nor a readable file of that name.
    """
    if name.isidentifier() and not Path(name).is_file():
        return template(name)
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContextFileError(
            f"{name} cannot be read as a context file: {error}. "
            f"Templates are {', '.join(template_names())}."
        ) from error
