"""One variable that reads another table of its file: ``"var#SpectrumRuns.energy"``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knockoff.contextfile.places import place_of_parameter
from knockoff.contextfile.problems import nearest

if TYPE_CHECKING:
    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.inputs import Input
    from knockoff.contextfile.linking import Linker


class Elsewhere:
    """Looks up what one parameter of `draft`, a variable of the table `here`, asks for."""

    def __init__(self, here: Linker, draft: Draft, given: Input) -> None:
        self._here = here
        self._draft = draft
        self._given = given

    def read(self, there: Linker, name: str) -> tuple[str, ...]:
        """The columns of the table `there` that `name` means, as in ``spectrum_runs/energy``.

        What is wrong with it is added to the problems of the table that reads.
        """
        columns = there.columns_matching(name)
        field = None if columns or self._given.pattern else there.field(name)
        if not columns and field is None:
            if not self._given.optional:
                self._here.problem(
                    self._draft,
                    f"{self._draft.name} asks for 'var#{self._given.name}', "
                    f"which {there.source.name} does not have.",
                    nearest(name, there.readable()),
                    place_of_parameter(self._draft.function, self._given.parameter),
                )
            return ()
        if self._draft.direction == "before":
            self._here.problem(
                self._draft,
                f"{self._draft.name} runs before the event but reads {self._given.name}, "
                f"and before the event only its own row is there.",
                f"Give {self._draft.name} direction=after_event.",
                place_of_parameter(self._draft.function, self._given.parameter),
            )
        if field is not None:
            self._read_field(there, field)
            columns = (field,)
        for column in columns if field is None else ():
            self._read_column(there, column)
        return tuple(f"{there.source.collection}/{column}" for column in columns)

    def _read_field(self, there: Linker, field: str) -> None:
        self._draft.fields_elsewhere[f"{there.source.collection}/{field}"] = None
        hook = there.hook_of(field)
        if hook is not None:
            self._need(there, hook)

    def _read_column(self, there: Linker, column: str) -> None:
        filling = there.filling(column)
        spoken = f"{there.source.name}.{column}"
        if filling.variable is not None and filling.variable.transient:
            self._here.problem(
                self._draft,
                f"{self._draft.name} reads {spoken}, which is transient: nothing of it is stored.",
                f"Take transient=True off {spoken}.",
                place_of_parameter(self._draft.function, self._given.parameter),
            )
        elif column not in filling.outputs and filling.variable is not None:
            parts = ", ".join(f"{there.source.name}.{output}" for output in filling.outputs)
            self._here.problem(
                self._draft,
                f"{self._draft.name} reads {spoken}, which is several columns.",
                f"Read one of {parts}, or all as 'var#{spoken}.*'.",
                place_of_parameter(self._draft.function, self._given.parameter),
            )
        self._need(there, filling.name)

    def _need(self, there: Linker, variable: str) -> None:
        draft = self._draft
        needed = draft.may_read_elsewhere if self._given.optional else draft.reads_elsewhere
        needed[f"{there.source.collection}/{variable}"] = None
