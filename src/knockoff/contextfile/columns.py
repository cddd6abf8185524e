"""What can be wrong with columns although each method is right: names, titles, defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.contextfile.describing import default_of, described_field, described_schema, title_of
from knockoff.contextfile.names import DOCUMENT_NAMES, OUR_NAMES, PEOPLES_NAMES
from knockoff.contextfile.places import (
    Place,
    place_at_top,
    place_of_attribute,
    place_of_function,
    place_of_option,
)
from knockoff.contextfile.problems import Problem
from knockoff.contextfile.schemas import fits
from knockoff.language.group import has_title_of_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.problems import Severity
    from knockoff.contextfile.scope import Scope
    from knockoff.contextfile.tables import TableSource


def problems_of_columns(
    source: TableSource, scope: Scope, drafts: Mapping[str, Draft]
) -> list[Problem]:
    """All that is wrong with the columns of a table: taken or double names, titles, defaults."""
    check = _Check(source, scope, drafts)
    check.groups()
    check.titles()
    check.names()
    check.stored()
    check.defaults()
    return check.problems


class _Check:
    def __init__(self, source: TableSource, scope: Scope, drafts: Mapping[str, Draft]) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._scope = scope
        self._drafts = drafts

    def groups(self) -> None:
        for fault in self._scope.faults:
            self._problem_at(fault.attribute, fault.message, fault.remedy)

    def titles(self) -> None:
        fields = self._scope.members.fields.values()
        seen = {described_field(each, 0).title: each.name for each in fields}
        for name, draft in self._drafts.items():
            if draft.variable is None:
                continue
            title = title_of(draft)
            if seen.get(title, name) != name and self._is_same_title(name, seen[title]):
                self._problem_at(
                    name,
                    f"{name} and {seen[title]} have the same title {title!r}.",
                    "Give one of them another title.",
                    self._place_of_title(name),
                    severity="note" if self._is_title_of_class(name, seen[title]) else "error",
                )
            seen[title] = name

    def _is_same_title(self, name: str, other: str) -> bool:
        """Whether two titles are the same, and not only in our words for ``hits`` and ``Hits``."""
        if self.source.owner is not None:
            return True
        pair = [self._drafts[each] for each in (name, other)]
        written = {
            (*draft.scope.titles, (draft.variable and draft.variable.title) or draft.name)
            for draft in pair
        }
        return len(written) == 1

    def _is_title_of_class(self, *names: str) -> bool:
        """Whether only the decorator of a group makes them alike; DAMNIT computes such a file."""
        return self.source.owner is None and all(
            name in self._drafts
            and self._drafts[name].scope.path
            and has_title_of_class(self._drafts[name].scope.owner)
            for name in names
        )

    def names(self) -> None:
        members = self._scope.members
        attributes: dict[str, None] = {}
        if self.source.owner is not None:  # functions are called as they like
            attributes.update(
                dict.fromkeys((*members.variables, *self._scope.groups, *members.fields))
            )
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

    def stored(self) -> None:
        """A note on each column of a file of functions that is not called as its function."""
        told: set[tuple[str, ...]] = set()
        for name, spelt in self._scope.spelt_names.items():
            scope = self._drafts[name].scope if name in self._drafts else self._scope
            is_group = scope.path != scope.spelt_path
            if is_group and scope.path in told:
                continue
            told.add(scope.path if is_group else (name,))
            here, wanted = (
                (".".join(scope.path), ".".join(scope.spelt_path)) if is_group else (name, spelt)
            )
            last = wanted.rpartition(".")[2]
            why = (
                "no column begins with an underscore"
                if last.startswith("_")
                else f"every row has a {last!r} already"
            )
            self._problem_at(
                name,
                f"{wanted} is stored as {here}, because {why}.",
                f'"var#{wanted}" still means yours.',
                severity="note",
            )

    def defaults(self) -> None:
        for each in self._scope.members.fields.values():
            default = default_of(each)
            if each.editable and default is not None and not fits(default, described_schema(each)):
                self._problem_at(
                    each.name,
                    f"{each.name} starts as {default!r}, which is no value of its own type.",
                    "Change the default, or the type.",
                    self._place_of(each.name, value=True),
                )

    def _problem_at(
        self,
        name: str,
        message: str,
        remedy: str,
        place: Place | None = None,
        *,
        severity: Severity = "error",
    ) -> None:
        place = place or self._place_of(name)
        self.problems.append(
            Problem(place.file, place.line, place.column, message, remedy, severity)
        )

    def _place_of(self, name: str, *, value: bool = False) -> Place:
        """Of a variable, field or group; with `value` what it is given."""
        source, draft = self.source, self._drafts.get(name)
        if draft is not None and not draft.scope.path:
            return place_of_function(draft.function)
        attribute = self._attribute_of(name)
        if source.owner is None:
            return place_at_top(source.file, attribute)
        return place_of_attribute(source.file, source.name, attribute, value=value)

    def _place_of_title(self, name: str) -> Place:
        """Where its title is written, else its name; of a column in a group where the group is."""
        draft = self._drafts.get(name)
        if draft is None or draft.scope.path:
            return self._place_of(name)
        return place_of_option(draft.function, "title")

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
