"""From the members of a class to a table: names are looked up, variables ordered, faults listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.assigning import assignments, refused
from knockoff.contextfile.columns import problems_of_columns
from knockoff.contextfile.crossing import Elsewhere
from knockoff.contextfile.describing import (
    described_field,
    described_variable,
    indexes_of,
)
from knockoff.contextfile.description import TableDescription
from knockoff.contextfile.drafts import Draft, column_of, matching, tell_needs
from knockoff.contextfile.groups import scope_of_table
from knockoff.contextfile.inputs import METADATA, MYMDC, inputs_of
from knockoff.contextfile.methods import problems_of_methods
from knockoff.contextfile.ordering import put_in_order
from knockoff.contextfile.parts import problems_of_parts
from knockoff.contextfile.places import (
    Place,
    place_of_function,
    place_of_parameter,
)
from knockoff.contextfile.problems import Problem, nearest
from knockoff.contextfile.reads import touches_of
from knockoff.contextfile.scope import ROW_FIELDS
from knockoff.contextfile.selfreads import SelfReads
from knockoff.contextfile.sources import file_of, globals_of, node_of
from knockoff.contextfile.tables import Formula, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.problems import Severity
    from knockoff.contextfile.scope import Scope
    from knockoff.contextfile.tables import TableSource


def table_of(
    source: TableSource, others: Sequence[TableSource] = (), *, is_complete: bool = True
) -> tuple[Table | None, tuple[Problem, ...]]:
    """Put a table together, and collect everything that is wrong with it.

    Parameters
    ----------
    source:
        Where the table comes from.
    others:
        Where the other tables of its file come from, which it may read.
    is_complete:
        Whether these are all; in a notebook some may be written later.

    Returns
    -------
    :
        The table, None if it cannot be used, and its problems; notes leave it usable.
    """
    return tables_of((source, *others), is_complete=is_complete)[0]


def tables_of(
    sources: Sequence[TableSource],
    *,
    is_complete: bool = True,
    told: Callable[[TableSource, Exception], Problem] | None = None,
) -> list[tuple[Table | None, tuple[Problem, ...]]]:
    """Put the tables of one file together; `told` says it where one is beyond us."""
    linkers = [Linker(source, is_complete=is_complete) for source in sources]
    by_name = {linker.source.name: linker for linker in reversed(linkers)}
    whole = list(linkers)

    def each(step: Callable[[Linker], None]) -> None:
        for linker in tuple(whole):
            try:
                step(linker)
            except Exception as error:  # noqa: PERF203  # each table for itself
                if told is None:
                    raise
                linker.problems.append(told(linker.source, error))
                whole.remove(linker)

    each(Linker.draft)
    each(lambda linker: linker.link(by_name))
    put_in_order(whole)
    each(Linker.check)
    made: dict[int, Table] = {}

    def make(linker: Linker) -> None:
        if not linker.is_wrong:
            made[id(linker)] = linker.table().without(linker.source.left_out)

    each(make)
    return [(made.get(id(linker)), tuple(linker.problems)) for linker in linkers]


class Linker:
    """Looks up the names in one table, with those of the other tables at hand."""

    def __init__(self, source: TableSource, *, is_complete: bool = True) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.drafts: dict[str, Draft] = {}
        self.ordered: tuple[str, ...] = ()
        self._is_complete = is_complete
        self._scope = scope_of_table(source.members, source.owner)
        self._others: Mapping[str, Linker] = {}

    def draft(self) -> None:
        """Take down the variables and hooks, and what their parameters ask for."""
        for scope in self._scope.everything():
            self._draft(scope)
        self._filled_by = {
            output: draft.name
            for draft in self.drafts.values()
            if draft.hook
            for output in draft.outputs
        }
        self._columns = {
            column: draft.name for draft in self.drafts.values() for column in draft.columns
        }

    def link(self, others: Mapping[str, Linker]) -> None:
        """Find out what each variable reads; `others` are all tables by the names of classes."""
        self._others = others
        reads = SelfReads(self)
        for draft in self.drafts.values():
            self._link_parameters(draft)
            reads.follow(draft, draft.function)
        tell_needs(self.drafts)

    def check(self) -> None:
        """Look at the columns, after all that is read is known."""
        self.problems.extend(problems_of_columns(self.source, self._scope, self.drafts))
        self.problems.extend(problems_of_methods(self.drafts.values()))
        self.problems.extend(problems_of_parts(self.drafts))

    def table(self) -> Table:
        """The table, if nothing was wrong with it."""
        folder = Path(self.source.file).parent
        places = {name: place for place, name in enumerate(self._scope.names())}
        formulas = {
            name: Formula(
                description=described_variable(self.drafts[name], folder, places[name]),
                function=self.drafts[name].function,
                scope=self.drafts[name].scope,
                inputs=self.drafts[name].inputs,
                method=self.drafts[name].method,
                variable=self.drafts[name].variable,
                chosen=self.drafts[name].chosen,
                needs=tuple(self.drafts[name].needs),
                returns=self.drafts[name].returns,
            )
            for name in self.ordered
        }
        description = TableDescription(
            name=self.source.name,
            collection=self.source.collection,
            variables=tuple(formula.description for formula in formulas.values()),
            fields=tuple(
                described_field(each, places[each.name])
                for each in self._scope.members.fields.values()
                if each.name not in ROW_FIELDS
            ),
            indexes=indexes_of(self.source.settings),
            description=(self.source.owner.__doc__ or "") if self.source.owner else "",
        )
        return Table(description, formulas, self._scope, self.source.body)

    @property
    def is_wrong(self) -> bool:
        """Whether there is no table; notes leave it usable."""
        return any(not problem.is_note for problem in self.problems)

    # What is in it

    def columns_matching(self, pattern: str) -> tuple[str, ...]:
        """What the part of a mark behind the class means in this table."""
        return matching(self._scope.stored(pattern), self.drafts, self._scope.spelt_names)

    def readable(self) -> list[str]:
        """What another table may write behind the class to read this one."""
        computed = [name for name, filler in self._columns.items() if not self.drafts[filler].hook]
        return [*computed, *self._scope.members.fields]

    def filling(self, column: str) -> Draft:
        """What fills a column."""
        return self.drafts[self._columns.get(column, column)]

    def field(self, name: str) -> str | None:
        """The field of that name, if there is one, whoever fills it."""
        read = self._scope.resolve(tuple(name.split(".")))
        return read.name if read.kind == "field" else None

    def hook_of(self, field: str) -> str | None:
        """The hook that fills a field, if one does."""
        return self._filled_by.get(field)

    def _draft(self, scope: Scope) -> None:
        method = scope.owner is not None
        for name, variable in scope.members.variables.items():
            assert variable.function is not None  # a member is bound to its function
            bound = method and (bool(scope.path) or name not in self.source.functions)
            self._add(Draft(scope.dotted(name), variable.function, scope, bound, variable))
        for name, hook in scope.members.hooks.items():
            draft = Draft(scope.dotted(name), hook.function, scope, method, hook=hook)
            if scope.path:
                self.problem(
                    draft,
                    f"{draft.name} is a hook in a group, which has no fields to fill.",
                    "Make it a variable, or move it into the run class.",
                )
            elif hook.events:
                self._add(draft)

    def _add(self, draft: Draft) -> None:
        if draft.name in self.drafts:
            self.problem(draft, f"there are two variables called {draft.name!r}.", "Rename one.")
            return
        inputs, unknown = inputs_of(
            draft.function, method=draft.method, module=globals_of(draft.function)
        )
        draft.inputs = inputs
        for each in unknown:
            self.problem(
                draft,
                f"parameter {each.parameter!r} of {draft.name} has the unknown mark "
                f"'{each.prefix}#'.",
                "Known are var#, self#, meta#, mymdc# and param#.",
                place_of_parameter(draft.function, each.parameter),
            )
        self._check_assignments(draft)
        self.drafts[draft.name] = draft

    def _check_assignments(self, draft: Draft) -> None:
        if not draft.method:
            return
        for touch in assignments(draft.function, draft.scope.owner):
            told = refused(touch, draft.scope, method=draft.name, is_hook=draft.hook is not None)
            for message, remedy in told:
                place = Place(file_of(draft.function), touch.line, touch.column)
                self.problem(draft, message, remedy, place)
            if draft.hook and touch.chain[0] in draft.scope.members.fields:
                draft.assigns[draft.scope.dotted(touch.chain[0])] = None

    # What the parameters ask for

    def _link_parameters(self, draft: Draft) -> None:
        for given in draft.inputs:
            if given.kind in ("var", "self"):
                self._link_variables(draft, given)
            elif given.kind == "meta" and given.name not in METADATA:
                self._unknown(draft, given, f"meta#{given.name}", METADATA)
            elif given.kind == "mymdc" and given.name not in MYMDC:
                self._unknown(draft, given, f"mymdc#{given.name}", MYMDC)
            elif given.kind == "nothing":
                self.problem(
                    draft,
                    f"nothing says what parameter {given.parameter!r} of {draft.name} is given.",
                    f'Write {given.parameter}: Annotated[Any, "var#{given.parameter}"], '
                    "or give it a default.",
                    place_of_parameter(draft.function, given.parameter),
                )

    def _link_variables(self, draft: Draft, given: Input) -> None:
        name, there = given.name, None
        if given.kind == "self":
            name = draft.scope.pattern(tuple(given.name.split(".")))
            found = (
                self.columns_matching(name)
                if given.pattern
                else self._through_self(draft, given.name)
            )
        else:
            found = self.columns_matching(name)
            if not found:
                there, name = self._table_in(name)
        if there is self:
            found = self.columns_matching(name)
        elif there is not None:
            read = Elsewhere(self, draft, given).read(there, name)
            draft.chosen[given.parameter] = read
            return
        if not found and not given.optional:
            if self._is_field(draft, given, name) or self._may_come(given):
                return
            of_self = given.kind == "self"
            known = draft.scope.spoken() if of_self else self._spoken_names()
            self._unknown(draft, given, f"{given.kind}#{given.name}", known)
        draft.chosen[given.parameter] = found
        may_lack = given.optional or given.pattern  # of a pattern those that there are are given
        (draft.may_read if may_lack else draft.reads).update(dict.fromkeys(found))

    def _table_in(self, name: str) -> tuple[Linker | None, str]:
        """The table whose class a name begins with, and the rest of the name."""
        first, _, rest = name.partition(".")
        there = self._others.get(first) if rest else None
        return (None, name) if there is None else (there, rest)

    def _may_come(self, given: Input) -> bool:
        """Whether a name may be that of a class which is written later, in a notebook."""
        first, _, rest = given.name.partition(".")
        return not self._is_complete and given.kind == "var" and bool(rest) and first[0].isupper()

    def _spoken_names(self) -> list[str]:
        others = (each for each in self._others.values() if each is not self)
        return [
            *self._columns,
            *(f"{each.source.name}.{name}" for each in others for name in each.readable()),
        ]

    def _through_self(self, draft: Draft, name: str) -> tuple[str, ...]:
        read = draft.scope.resolve(tuple(name.split(".")))
        if read.kind != "variable":
            return ()
        column = column_of(read, self.drafts)
        of_object = self.drafts[read.name].returns is not None
        return () if of_object and read.rest and column == read.name else (column,)

    def _is_field(self, draft: Draft, given: Input, name: str) -> bool:
        """Whether a mark names a field of the row or a parameter of the group instead."""
        scope = draft.scope if given.kind == "self" else self._scope
        wanted = given.name if given.kind == "self" else name
        read = scope.resolve(tuple(wanted.split(".")))
        if read.kind == "field":
            draft.fields_read[read.name] = None
            self.read_of_field(draft, read.name)
        if read.kind == "parameter" and read.rest:  # a group that may be left out
            return scope.parameter(tuple(wanted.split("."))) is None
        return read.kind in ("field", "parameter")

    def read_of_field(self, draft: Draft, name: str) -> None:
        """A field that a hook fills is a dependency on that hook."""
        filler = self._filled_by.get(name)
        if filler is not None and filler != draft.name:
            draft.reads[filler] = None

    # What is told of it

    def place_of_read(self, draft: Draft, name: str) -> Place:
        """Where a variable says that it needs another one, or a hook's field."""
        for parameter, chosen in draft.chosen.items():
            if name in chosen:
                return place_of_parameter(draft.function, parameter)
        for function in (draft.function, *draft.methods) if draft.method else ():
            node = node_of(function)
            for touch in touches_of(node).reads if node is not None else ():
                read = draft.scope.resolve(touch.chain).name
                if name in (read, self._filled_by.get(read)):
                    return Place(file_of(function), touch.line, touch.column)
        return place_of_function(draft.function)

    def _unknown(self, draft: Draft, given: Input, mark: str, known: Any) -> None:
        self.problem(
            draft,
            f"{draft.name} asks for {mark!r}, which is not there.",
            nearest(given.name, known),
            place_of_parameter(draft.function, given.parameter),
        )

    def problem(
        self,
        draft: Draft,
        message: str,
        remedy: str,
        place: Place | None = None,
        severity: Severity = "error",
    ) -> None:
        """Something is wrong with a variable, at `place` or else where it begins."""
        where = place or place_of_function(draft.function)
        self.problems.append(
            Problem(where.file, where.line, where.column, message, remedy, severity)
        )
