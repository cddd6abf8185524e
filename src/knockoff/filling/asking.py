"""What variables ask for that nobody has given, found out before one of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from knockoff.contextfile.assembling import PipelineError
from knockoff.contextfile.problems import nearest
from knockoff.contextfile.scope import ROW_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.tables import Formula, Table
    from knockoff.filling.given import Given

_NUMBERS: Final = ("proposal", "run")
_METADATA: Final = {"run_number": "run", "proposal": "proposal", "proposal_path": "proposal"}
"""For each ``meta#`` the number that it follows from."""


def refuse_unanswered(table: Table, given: Given) -> None:
    """Refuse what could only fail, or would be lost without a word.

    Raises
    ------
    PipelineError
        Variables ask for the run and there is none, or a field that was given does not exist.
    """
    _refuse_unknown_fields(table, given)
    asking = {
        name: what
        for name, formula in table.formulas.items()
        for what in _asked_of_run(formula, given)
    }
    if asking:
        told = ", ".join(f"{name} ({what})" for name, what in asking.items())
        data = "" if given.data is not None else ", or data= for what stands for the run"
        raise PipelineError(
            f"proposal and run_number must be set, because variables ask for the run: {told}.",
            f"Give Pipeline or with_context proposal= and run_number={data}.",
        )


def _asked_of_run(formula: Formula, given: Given) -> Iterator[str]:
    missing = [each for each in _NUMBERS if getattr(given, each) is None]
    if not missing:
        return
    for each in formula.inputs:
        if each.optional:
            continue
        if each.kind in ("data", "source") and given.data is None:
            yield f"its data, as {each.parameter}"
        if each.kind == "meta" and _METADATA[each.name] in missing:
            yield f"meta#{each.name}"
    for name in formula.description.fields_read:
        if name in missing:
            yield f"self.{name}"


def _refuse_unknown_fields(table: Table, given: Given) -> None:
    known = {*table.scope.members.fields, *ROW_FIELDS}.difference(_NUMBERS)
    for name in given.fields:
        if name not in known:
            raise PipelineError(
                f"There is no field {name!r} for people to type into.",
                nearest(name, table.scope.members.fields),
            )
