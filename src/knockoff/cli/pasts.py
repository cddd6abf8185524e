"""Past results in words: a line for each, or what is different between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from knockoff.cli.cells import Cells
from knockoff.tui.text import cells_of, harmless, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from knockoff.recording.history import Difference, PastResult
    from knockoff.tui.cells import Hand

HEADS: Final = ("#", "attempt", "when", "state", "code", "took", "memory", "by", "value")

NOT_KNOWN: Final = (
    "  something else than is kept here: the run's data, what the catalogue says of it, or a "
    "field that was not edited by knockoff."
)


def listed(results: Sequence[PastResult], zone: tzinfo) -> str:
    """A table with a line for each result."""
    hand = Cells((), (), zone).hand
    lines = [HEADS, *(_line(each, hand) for each in results)]
    widths = [max(cells_of(line[place]) for line in lines) for place in range(len(HEADS))]
    texts = [
        "  ".join(
            text + " " * (width - cells_of(text)) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    texts[0] = typer.style(texts[0], bold=True)
    return "\n".join(texts)


def told(found: Difference, zone: tzinfo) -> str:
    """Value, code and inputs of two results, each with what is different."""
    hand = Cells((), (), zone).hand
    first, second = found.first, found.second
    lines = [
        f"{first.column}: result {first.number} ({first.attempt}, {_when(first, hand)}) and "
        f"{second.number} ({second.attempt}, {_when(second, hand)})"
    ]
    if found.same_value:
        lines.append(f"value: the same, {_shown(first, hand)}")
    else:
        lines += ["value:", f"  - {_shown(first, hand)}", f"  + {_shown(second, hand)}"]
    if found.same_code:
        lines.append(f"code: the same, {first.code}")
    else:
        lines.append(f"code: {first.code}, then {second.code}")
        lines += [_coloured(harmless(line)) for line in found.source]
        if not found.source:
            lines.append("  The context file is the same; a module beside it was changed.")
    if found.same_inputs:
        lines.append("inputs: the same")
    else:
        lines.append("inputs:")
        for name, (before, after) in found.inputs.items():
            lines += [f"  - {_input(name, before, hand)}", f"  + {_input(name, after, hand)}"]
        if not found.inputs:
            lines.append(NOT_KNOWN)
    return "\n".join(lines)


def _line(result: PastResult, hand: Hand) -> tuple[str, ...]:
    memory = result.entry.get("peak_memory") or 0
    return (
        str(result.number),
        one_line(result.attempt),
        _when(result, hand),
        result.state,
        result.code,
        "" if result.rolled_back_to else f"{result.entry.get('seconds') or 0:.3g} s",
        f"{memory / 1e6:.0f} MB" if memory else "",
        one_line(result.by),
        _shown(result, hand) + (f", that of {back}" if (back := result.rolled_back_to) else ""),
    )


def _when(result: PastResult, hand: Hand) -> str:
    return f"{hand.local(result.at):%Y-%m-%d %H:%M:%S}"


def _shown(result: PastResult, hand: Hand) -> str:
    """The value, the size of its array, or why there is none."""
    problem = result.problem
    if problem is not None:
        said = ": ".join(str(problem[part]) for part in ("kind", "message") if problem.get(part))
        where = f" (line {problem['line']})" if problem.get("line") else ""
        return one_line(said + where)
    array = f"{hand.size(result.array)}" if result.array is not None else ""
    value = hand.text(result.value) if result.value is not None else ""
    return ", ".join(each for each in (value, array) if each) or "none"


def _input(name: str, about: Mapping[str, Any] | None, hand: Hand) -> str:
    if about is None:
        return f"{name}: not read"
    value = hand.text(about["value"]) if "value" in about else about.get("state", "")
    attempt = f" (attempt {about['attempt']}, code {about['code']})" if "attempt" in about else ""
    return one_line(f"{name}: {value}{attempt}")


def _coloured(line: str) -> str:
    if line.startswith(("+++", "---")):
        return typer.style(line, bold=True)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    colour = colours.get(line[:1])
    return typer.style(line, fg=colour) if colour else line
