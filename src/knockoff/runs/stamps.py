"""Which variables of a row are due, told by stamps of code and inputs.

A result is current if it was made by the code that is loaded now, from inputs with the
stamps that they have now, on data with the identity that it has now.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.language.occasions import Event

FIXED_FIELDS = frozenset({"proposal", "run", "start_time", "added_at"})
"""Fields that do not change once they are there, so that no result depends on their stamp."""


def slashed(name: str) -> str:
    """A dotted name as a key inside ``knockoff``, where MongoDB would read a dot as a path."""
    return name.replace(".", "/")


def input_stamps(table: TableDescription, row: Mapping[str, Any]) -> dict[str, str]:
    """A stamp of all inputs of each variable, by dotted name.

    It changes when a field that the variable reads is edited, when the run's data
    becomes other data, and when anything changes that a variable which it reads is
    made from.
    """
    identity = row.get("knockoff", {}).get("identity", {})
    reads = {variable.name: (*variable.reads, *variable.may_read) for variable in table.variables}
    stamps: dict[str, str] = {}
    for variable in table.variables:  # in dependency order
        parts: list[Any] = [
            [name, stamps.get(name), table.variable(name).code] for name in reads[variable.name]
        ]
        parts += [
            [name, _shown(value_at(row, name))]
            for name in variable.fields_read
            if name not in FIXED_FIELDS
        ]
        parts.append(identity.get(variable.data))
        stamps[variable.name] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
    return stamps


def due_variables(
    table: TableDescription,
    row: Mapping[str, Any],
    event: Event,
    *,
    retry: bool = False,
    force: bool = False,
    only: Sequence[str] = (),
) -> tuple[VariableDescription, ...]:
    """The variables to be computed now, in the order in which they run.

    Parameters
    ----------
    row:
        The document as it is stored.
    retry:
        Whether those that failed, were skipped or blocked are due although nothing changed.
    force:
        Whether those whose result is current are due too.
    only:
        Variables that are asked for, with what they need; empty for all.
    """
    ours = row.get("knockoff", {})
    there = set(ours.get("data", ()))
    codes, inputs = ours.get("code", {}), ours.get("inputs", {})
    problems = ours.get("problems", {})
    stamps = input_stamps(table, row)
    wanted = _with_needs(table, only)
    due: dict[str, VariableDescription] = {}
    for variable in table.variables:
        key = slashed(variable.name)
        made = key in codes
        if variable.data not in there or variable.transient:
            continue
        if only and variable.name not in wanted:
            continue
        once_more = force or retry
        if event not in variable.events and made == (event == "Update") and not once_more:
            continue
        current = codes.get(key) == variable.code and inputs.get(key) == stamps[variable.name]
        problem = retry and any(slashed(each) in problems for each in variable.outputs)
        asked = force and (not only or variable.name in only)
        again = any(name in due for name in (*variable.reads, *variable.may_read))
        if asked or problem or not current or again:
            due[variable.name] = variable
    return tuple(due.values())


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted field; None if it is not there."""
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def _with_needs(table: TableDescription, only: Sequence[str]) -> set[str]:
    wanted = set(only)
    for variable in reversed(table.variables):
        if variable.name in wanted:
            wanted.update((*variable.reads, *variable.may_read))
    return wanted


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
