"""What can be wrong with columns although each method is right: names, titles, defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.contextfile.describing import default_of, described_schema, title_of
from knockoff.contextfile.names import DOCUMENT_NAMES, OUR_NAMES, PEOPLES_NAMES
from knockoff.contextfile.problems import Problem
from knockoff.contextfile.schemas import fits
from knockoff.contextfile.sources import line_in_class, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.scope import Scope
    from knockoff.contextfile.tables import TableSource


def problems_of_columns(
    source: TableSource, scope: Scope, drafts: Mapping[str, Draft]
) -> list[Problem]:
    """All that is wrong with the columns of a table: taken or double names, titles, defaults."""
    check = _Check(source, scope, drafts)
    check.titles()
    check.names()
    check.defaults()
    return check.problems


class _Check:
    def __init__(self, source: TableSource, scope: Scope, drafts: Mapping[str, Draft]) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._scope = scope
        self._drafts = drafts

    def titles(self) -> None:
        seen: dict[str, str] = {}
        for name, draft in self._drafts.items():
            if draft.variable is None:
                continue
            title = title_of(draft)
            if title in seen:
                self._problem_at(
                    name,
                    f"{name} and {seen[title]} have the same title {title!r}.",
                    "Give one of them another title.",
                )
            seen[title] = name

    def names(self) -> None:
        members = self._scope.members
        own = () if self.source.owner is None else members.variables  # functions: as they like
        attributes = dict.fromkeys((*own, *self._scope.groups, *members.fields))
        computed = [name for name, draft in self._drafts.items() if draft.variable]
        columns = dict.fromkeys((*members.fields, *computed))
        for name in attributes:
            self._check_taken(name, name)
        for column in columns:
            first = column.partition(".")[0]
            if first not in attributes:
                self._check_taken(first, column)
            wrong = [each for each in column.split(".") if not _is_column_name(each)]
            if wrong:
                self._problem_at(
                    column,
                    f"a column cannot be called {wrong[0]!r}: MongoDB and Python have to be able "
                    "to spell it.",
                    "Use letters, digits and underscores, and start with a letter.",
                )
            above = next((each for each in _prefixes(column) if each in columns), None)
            if above is not None:
                self._problem_at(
                    column,
                    f"{column} would lie inside of {above}, which is a column itself.",
                    "Give the group another name=.",
                )

    def _check_taken(self, name: str, column: str) -> None:
        taken = OUR_NAMES if self.source.owner is None else OUR_NAMES | DOCUMENT_NAMES
        theirs = name in PEOPLES_NAMES and name not in self._scope.members.fields
        if name in taken or (theirs and self.source.owner is not None):
            self._problem_at(
                column,
                f"a column cannot be called {name!r}, because every run document has "
                f"something of that name.",
                f"Call it {name.strip('_')}_of_run, and give it the title you like.",
            )

    def defaults(self) -> None:
        for each in self._scope.members.fields.values():
            default = default_of(each)
            if each.editable and default is not None and not fits(default, described_schema(each)):
                self._problem_at(
                    each.name,
                    f"{each.name} starts as {default!r}, which is no value of its own type.",
                    "Change the default, or the type.",
                )

    def _problem_at(self, name: str, message: str, remedy: str) -> None:
        """At the line of a variable, field or group."""
        source, draft = self.source, self._drafts.get(name)
        line = source.line
        if draft is not None and not draft.scope.path:
            line = line_of(draft.function)
        elif source.owner is not None:
            line = line_in_class(source.file, source.name, self._attribute_of(name))
        self.problems.append(Problem(source.file, line, 1, message, remedy))

    def _attribute_of(self, name: str) -> str:
        """The attribute of the class that a column belongs to: that of its group, if any."""
        for attribute, scope in self._scope.groups.items():
            if name.startswith(".".join((*scope.path, ""))):
                return attribute
        return name


def _is_column_name(word: str) -> bool:
    return word.isidentifier() and not word.startswith("_")


def _prefixes(name: str) -> Iterator[str]:
    """What lies above a dotted name: of ``"a.b.c"`` ``"a"`` and ``"a.b"``."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))
