"""From the members of a class to a table: names are looked up, variables ordered, faults listed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.assigning import assignments, attribute_of, refused
from knockoff.contextfile.columns import problems_of_columns
from knockoff.contextfile.describing import (
    described_field,
    described_variable,
    indexes_of,
)
from knockoff.contextfile.description import TableDescription
from knockoff.contextfile.drafts import Draft
from knockoff.contextfile.inputs import METADATA, MYMDC, inputs_of
from knockoff.contextfile.problems import Problem, nearest
from knockoff.contextfile.reads import touches_of
from knockoff.contextfile.scope import ROW_FIELDS, Scope
from knockoff.contextfile.sources import line_of, node_of
from knockoff.contextfile.tables import Formula, Table
from knockoff.language.order import CircularVariablesError, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.reads import Touch
    from knockoff.contextfile.tables import TableSource

_METHODS_DEEP: Final = 20


def _in_source_order(scope: Scope) -> Iterator[str]:
    """All dotted names of a scope; a group's stand where the group does."""
    for name in dict.fromkeys((*scope.members.names, *scope.groups)):
        if name in scope.groups:
            yield from _in_source_order(scope.groups[name])
        else:
            yield scope.dotted(name)


def table_of(source: TableSource) -> tuple[Table | None, tuple[Problem, ...]]:
    """Put a table together, and collect everything that is wrong with it.

    Returns
    -------
    :
        The table, None if it cannot be used, and its problems.
    """
    linker = _Linker(source)
    table = linker.table()
    return (None if linker.problems else table), tuple(linker.problems)


class _Linker:
    def __init__(self, source: TableSource) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._scope = Scope.of_table(source.members, source.owner)
        self._drafts: dict[str, Draft] = {}

    def table(self) -> Table | None:
        for scope in self._scope.everything():
            self._draft(scope)
        self._filled_by = {
            output: draft.name
            for draft in self._drafts.values()
            if draft.hook
            for output in draft.outputs
        }
        for draft in self._drafts.values():
            self._link_parameters(draft)
            self._link_touches(draft, draft.function, ())
        ordered = self._ordered()
        self._promote(ordered)
        ordered = self._by_side(ordered)
        self.problems.extend(problems_of_columns(self.source, self._scope, self._drafts))
        if self.problems:
            return None
        folder = Path(self.source.file).parent
        places = {name: place for place, name in enumerate(_in_source_order(self._scope))}
        formulas = {
            name: Formula(
                description=described_variable(self._drafts[name], folder, places[name]),
                function=self._drafts[name].function,
                scope=self._drafts[name].scope,
                inputs=self._drafts[name].inputs,
                method=self._drafts[name].method,
                variable=self._drafts[name].variable,
                chosen=self._drafts[name].chosen,
            )
            for name in ordered
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

    def _draft(self, scope: Scope) -> None:
        method = scope.owner is not None
        for name, variable in scope.members.variables.items():
            assert variable.function is not None  # a member is bound to its function
            self._add(Draft(scope.dotted(name), variable.function, scope, method, variable))
        for name, hook in scope.members.hooks.items():
            draft = Draft(scope.dotted(name), hook.function, scope, method, hook=hook)
            if scope.path:
                self._problem(
                    draft,
                    f"{draft.name} is a hook in a group, which has no fields to fill.",
                    "Make it a variable, or move it into the run class.",
                )
            elif hook.events:
                self._add(draft)

    def _add(self, draft: Draft) -> None:
        if draft.name in self._drafts:
            self._problem(draft, f"there are two variables called {draft.name!r}.", "Rename one.")
            return
        inputs, unknown = inputs_of(
            draft.function, method=draft.method, module=draft.function.__globals__
        )
        draft.inputs = inputs
        for each in unknown:
            self._problem(
                draft,
                f"parameter {each.parameter!r} of {draft.name} has the unknown mark "
                f"'{each.prefix}#'.",
                "Known are var#, self#, meta#, mymdc# and param#.",
            )
        self._check_assignments(draft)
        self._drafts[draft.name] = draft

    def _check_assignments(self, draft: Draft) -> None:
        if not draft.method:
            return
        for touch in assignments(draft.function, draft.scope.owner):
            told = refused(touch, draft.scope, method=draft.name, is_hook=draft.hook is not None)
            for message, remedy in told:
                place = (self.source.file, touch.line, touch.column)
                self.problems.append(Problem(*place, message, remedy))
            if draft.hook and touch.chain[0] in draft.scope.members.fields:
                draft.assigns[draft.scope.dotted(touch.chain[0])] = None

    # What the parameters ask for

    def _link_parameters(self, draft: Draft) -> None:
        for given in draft.inputs:
            if given.kind in ("var", "self"):
                self._link_variables(draft, given)
            elif given.kind == "meta" and given.name not in METADATA:
                self._unknown(draft, f"meta#{given.name}", METADATA)
            elif given.kind == "mymdc" and given.name not in MYMDC:
                self._unknown(draft, f"mymdc#{given.name}", MYMDC)
            elif given.kind == "nothing":
                self._problem(
                    draft,
                    f"nothing says what parameter {given.parameter!r} of {draft.name} is given.",
                    f'Write {given.parameter}: Annotated[Any, "var#{given.parameter}"], '
                    "or give it a default.",
                )

    def _link_variables(self, draft: Draft, given: Input) -> None:
        if given.kind == "self":
            name = ".".join((*draft.scope.path, given.name))
            found = self._matching(name) if given.pattern else self._through_self(draft, given.name)
        else:
            name = given.name
            found = self._matching(name)
        if not found and not given.optional:
            if self._is_field(draft, given):
                return
            self._unknown(draft, f"{given.kind}#{given.name}", self._drafts)
        draft.chosen[given.parameter] = found
        (draft.may_read if given.optional else draft.reads).update(dict.fromkeys(found))

    def _through_self(self, draft: Draft, name: str) -> tuple[str, ...]:
        read = draft.scope.resolve(tuple(name.split(".")))
        return (read.name,) if read.kind == "variable" else ()

    def _is_field(self, draft: Draft, given: Input) -> bool:
        """Whether a mark names a field of the row or a parameter of the group instead."""
        scope = draft.scope if given.kind == "self" else self._scope
        read = scope.resolve(tuple(given.name.split(".")))
        if read.kind == "field":
            draft.fields_read[read.name] = None
            self._read_of_field(draft, read.name)
        return read.kind in ("field", "parameter")

    def _matching(self, pattern: str) -> tuple[str, ...]:
        return tuple(name for name in self._drafts if fnmatchcase(name, pattern))

    # What the source reads from self

    def _link_touches(
        self, draft: Draft, function: Callable[..., Any], through: tuple[str, ...]
    ) -> None:
        if not draft.method:
            return
        node = node_of(function)
        if node is None:
            self._problem(
                draft,
                f"the source of {draft.name} cannot be read, so what it depends on is not known.",
                "Keep it in a file or a notebook cell.",
            )
            return
        for touch in touches_of(node).reads:
            read = draft.scope.resolve(touch.chain)
            if read.kind == "variable":
                draft.reads[read.name] = None
            elif read.kind == "field":
                if read.name not in draft.assigns:
                    draft.fields_read[read.name] = None
                self._read_of_field(draft, read.name)
            elif read.kind == "other":
                self._follow(draft, touch, through)

    def _read_of_field(self, draft: Draft, name: str) -> None:
        """A field that a hook fills is a dependency on that hook."""
        filler = self._filled_by.get(name)
        if filler is not None and filler != draft.name:
            draft.reads[filler] = None

    def _follow(self, draft: Draft, touch: Touch, through: tuple[str, ...]) -> None:
        """A plain method or property of the class reads in the name of its caller."""
        name = touch.chain[0]
        attribute = attribute_of(draft.scope.owner, name)
        if attribute is None:
            private = getattr(draft.scope.owner, "__private_attributes__", {})  # Pydantic's
            if name in private:
                draft.constants[name] = getattr(private[name], "default", None)
            else:
                self._check_spelling(draft, touch)
            return
        if name in through or len(through) > _METHODS_DEEP or name.startswith("__"):
            return
        function = _function_in(attribute)
        if function is None:
            draft.constants[name] = attribute
        elif node_of(function) is not None:
            draft.methods[function] = None
            if not isinstance(attribute, staticmethod):  # it has no self to read from
                self._link_touches(draft, function, (*through, name))

    def _check_spelling(self, draft: Draft, touch: Touch) -> None:
        name = touch.chain[0]
        known = {
            *draft.scope.members.variables,
            *draft.scope.members.fields,
            *draft.scope.groups,
            *draft.scope.parameters,
        }
        hint = nearest(name, known)
        if hint.startswith("Did you mean") and name not in draft.assigns:
            self.problems.append(
                Problem(
                    self.source.file,
                    touch.line,
                    touch.column,
                    f"{draft.name} reads self.{'.'.join(touch.chain)}, which is not there.",
                    hint,
                )
            )

    # What follows for all of them together

    def _ordered(self) -> tuple[str, ...]:
        reads = {name: draft.all_reads for name, draft in self._drafts.items()}
        try:
            ordered = in_order(reads)
        except CircularVariablesError as error:
            self._problem(self._drafts[error.circle[0]], str(error), "")
            return ()
        for name in ordered:
            late = [
                read
                for read in reads[name]
                if read in self._drafts and self._drafts[read].direction == "after"
            ]
            if self._drafts[name].direction == "before" and late:
                self._problem(
                    self._drafts[name],
                    f"{name} runs before the event but reads {late[0]}, which runs after it.",
                    f"Give {late[0]} direction=before_event, or {name} direction=after_event.",
                )
        return ordered

    def _by_side(self, ordered: tuple[str, ...]) -> tuple[str, ...]:
        """Before the event, after it, and last what is heavy, so that nothing waits for it."""

        def side(name: str) -> int:
            draft = self._drafts[name]
            return 0 if draft.direction == "before" else 1 + draft.cluster

        return tuple(sorted(ordered, key=side))

    def _promote(self, ordered: tuple[str, ...]) -> None:
        """A variable that reads corrected data needs corrected data; the same for the cluster."""
        for name in ordered:
            draft = self._drafts[name]
            wanted = draft.variable.data if draft.variable else None
            proc = [read for read in draft.all_reads if self._drafts[read].data == "proc"]
            if wanted == "raw" and proc:
                self._problem(
                    draft,
                    f"{name} has data='raw' but reads {proc[0]}, which needs proc.",
                    "Leave data= out, or set it to 'proc'.",
                )
            draft.data = wanted or ("proc" if proc else "raw")
            draft.cluster = bool(draft.variable and draft.variable.cluster) or any(
                self._drafts[read].cluster for read in draft.all_reads
            )

    def _unknown(self, draft: Draft, mark: str, known: Any) -> None:
        name = mark.partition("#")[2]
        self._problem(
            draft, f"{draft.name} asks for {mark!r}, which is not there.", nearest(name, known)
        )

    def _problem(self, draft: Draft, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.source.file, line_of(draft.function), 1, message, remedy))


def _function_in(attribute: Any) -> Any:
    """The function of a method, property, static method or cached method; None for a value."""
    for name in ("fget", "__func__", "__wrapped__"):
        if not hasattr(attribute, "__code__"):
            attribute = getattr(attribute, name, attribute)
    if isinstance(attribute, cached_property):
        attribute = attribute.func
    return attribute if hasattr(attribute, "__code__") else None
