"""Why a cell is as it is: everything that is known of it, as one paragraph."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from knockoff.database.jobs import JOBS
from knockoff.database.notes import edits_of
from knockoff.database.owners import is_dead
from knockoff.database.registry import contexts_with, current_context
from knockoff.errors import ContextFileError
from knockoff.filling.messages import WAITING_FOR_OUTSIDE
from knockoff.recording.edits import Edits
from knockoff.recording.history import computed, history_of, inputs_of
from knockoff.recording.typed import misfit
from knockoff.recording.wording import Wording, ended, lasting, listed
from knockoff.runs.causes import tree_of
from knockoff.runs.described import read_description
from knockoff.runs.staleness import KEPT, STALE
from knockoff.runs.stamps import slashed, value_at
from knockoff.runs.states import has_field, place_of, state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import tzinfo

    from knockoff.contextfile.description import TableDescription, VariableDescription
    from knockoff.database.client import Database
    from knockoff.recording.history import PastResult

_OF_THE_RUN: Final = {
    "start_time": "is when the run began, as its data say",
    "added_at": "is when its row was made",
    "run": "is the number that the data acquisition gave it",
}

_VERBS: Final = {
    "timed out": "has timed out",
    "killed": "was killed",
    "cancelled": "was cancelled",
}


_AGAIN: Final = "`knockoff logs {run}` shows what it printed"
_REMEDIES: Final = {
    "failed": f"{_AGAIN}, `knockoff reprocess {{run}} --failed` tries again.",
    "timed out": f"{_AGAIN}, `knockoff reprocess {{run}} --failed` tries again.",
    "killed": f"{_AGAIN}, `knockoff reprocess {{run}} --failed` tries again.",
    "blocked": "`knockoff reprocess {run} --failed` tries again what failed, and this with it.",
    "cancelled": "`knockoff reprocess {run}` computes it after all.",
    "waiting for mymdc": "`knockoff mymdc sync {run}` asks now.",
}
"""What a person may do about a problem; about what was skipped there is nothing to be done."""


@dataclass
class Explanation:
    """What is known of one cell."""

    run: int
    table: str
    variable: str
    state: str
    """As in ``"done"``, ``"stale"``, ``"waiting for proc"``; of what people type ``"typed"``."""

    sentences: list[str] = field(default_factory=list)
    tree: list[str] = field(default_factory=list)
    """For a blocked or skipped cell: every way to a cause, drawn."""

    facts: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""

    @property
    def text(self) -> str:
        """The paragraph."""
        return " ".join(self.sentences)

    def to_json(self) -> dict[str, Any]:
        """For programs: text and facts."""
        about = {"run": self.run, "table": self.table, "variable": self.variable}
        return about | {"state": self.state, "text": self.text, **self.facts}


@dataclass(frozen=True)
class Reasons:
    """Finds out about the cells of one row.

    Parameters
    ----------
    row:
        As it is stored, with what of it is stale noted in it.
    zone:
        The time zone in which people see times.
    on_disk:
        The source of the context file as it is now; None if it cannot be read.
    """

    database: Database
    table: str
    row: Mapping[str, Any]
    zone: tzinfo
    context: Mapping[str, Any] | None
    """The context file as it was used last, described; None if none was."""

    on_disk: str | None = None

    @classmethod
    async def of(
        cls,
        database: Database,
        table: str,
        row: Mapping[str, Any],
        zone: tzinfo,
        on_disk: str | None,
    ) -> Reasons:
        """Those of a row; parameters as of the class."""
        return cls(database, table, row, zone, await current_context(database), on_disk)

    async def explain(self, column: Mapping[str, Any]) -> Explanation:
        """Explain the cell of a column, which is given as the registry has it."""
        name, run = str(column["name"]), int(self.row["run"])
        told = Explanation(run, self.table, name, "")
        if column.get("kind") in ("builtin", "editable") or column.get("filled") is False:
            await self._typed(told)
            if column.get("filled"):
                await self._also_computed(told)
            return told
        state = state_of(self.row, name, str(column.get("data") or "raw"))
        told.state = state.word
        described = self._described()
        variable = described.filler_of(name) if described is not None else None
        results = await history_of(self.database, self.table, run, name, described)
        last = computed(results)
        if results:
            told.facts["result"] = results[-1].to_json()
        problem = value_at(dict(self.row), f"knockoff.problems.{slashed(name)}")
        if state.has_value:
            await self._done(told, last, str(column.get("units") or ""))
        elif problem:
            self._problem(told, problem, last)
        elif state.word == "not computed":
            await self._newer_column(told)
        elif state.word.startswith("waiting"):
            self._no_data(told, str(column.get("data") or "raw"))
        else:
            await self._at_work(told)
        if results and results[-1].rolled_back_to:
            self._rolled_back(told, results[-1])
        if described is not None and variable is not None and last is not None:
            self._misfits(told, described, variable.fields_read if problem else ())
            await self._edits(told, described, variable, last)
        elif variable is None and described is not None:
            told.sentences.append("The context file no longer has this variable.")
        self._unused_edit(told)
        return told

    async def _typed(self, told: Explanation) -> None:
        """What nobody computes."""
        name = told.variable
        told.state = "typed"
        value = value_at(dict(self.row), name)
        if name in _OF_THE_RUN:
            told.state = "known"
            told.sentences.append(f"{self._cell(told)} {_OF_THE_RUN[name]}: {self._value(value)}.")
            return
        edits = [
            each
            for collection in (self.table, "")  # what is said of the run belongs to no table
            for each in await edits_of(self.database, collection, told.run)
            if each["field"] == name
        ]
        if edits:
            last = max(edits, key=lambda each: each["at"])
            told.facts["edit"] = {part: last[part] for part in ("at", "by", "old", "new")}
            before = f"; before, it was {self._value(last['old'])}" if last["old"] else ""
            told.sentences.append(
                f"{self._cell(told)} is {self._value(value)}: {last['by']} typed "
                f"{self._value(last['new'])} on {self._when(last['at'])}{before}."
                if last["new"] == value
                else f"{self._cell(told)} is {self._value(value)}, written by another program "
                f"since {last['by']} typed {self._value(last['new'])} on {self._when(last['at'])}."
            )
        elif value is None:
            told.state = "empty"
            told.sentences.append(f"{self._cell(told)} is empty: nobody has typed anything.")
        else:
            told.sentences.append(
                f"{self._cell(told)} is {self._value(value)}: its default, or typed without "
                f"knockoff; no edit of it is on record."
            )

        described = self._described()
        if described is not None:
            self._misfits(told, described, (name,))

    def _misfits(
        self, told: Explanation, described: TableDescription, fields: Collection[str]
    ) -> None:
        """Which of these fields hold what they do not take; another program wrote it."""
        for each in described.fields:
            value = value_at(dict(self.row), each.name)
            takes = misfit(each.schema, value) if each.name in fields else ""
            if takes:
                told.sentences.append(
                    f"{each.name} holds {self._value(value)}, and takes {takes}: "
                    f"`knockoff set {told.run} {each.name} VALUE` mends it."
                )

    async def _also_computed(self, told: Explanation) -> None:
        """What people may type and a hook of the context file fills."""
        described = self._described()
        results = await history_of(self.database, self.table, told.run, told.variable, described)
        if results:
            told.facts["result"] = results[-1].to_json()
            told.sentences.append(f"The context file fills it as well: {self._made(results[-1])}.")

    async def _done(self, told: Explanation, last: PastResult | None, units: str) -> None:
        own = value_at(dict(self.row), f"knockoff.units.{slashed(told.variable)}")
        value = value_at(dict(self.row), told.variable)
        array = value_at(dict(self.row), f"knockoff.arrays.{slashed(told.variable)}")
        shown = f"{self._value(value)} {own or units}".rstrip()
        if array:
            size = f"an array {array.get('dtype')} {tuple(array.get('shape') or ())}"
            shown = f"{shown}, from {size}" if value is not None else size
        elif value is None and has_field(self.row, told.variable):
            shown = "empty, because its method returned None"
        told.sentences.append(f"{self._cell(told)} is {shown}.")
        if last is None or last.problem is not None:
            return
        verb = "submitted" if last.source else "computed"
        told.sentences.append(f"It was {verb} {self._made(last)}")
        inputs = await inputs_of(self.database, self.table, told.run, last)
        told.facts["inputs"] = inputs
        if inputs:
            read = [self._input(name, about) for name, about in inputs.items()]
            told.sentences[-1] += f", from {listed(read)}"
        told.sentences[-1] += "."

    def _problem(
        self, told: Explanation, problem: Mapping[str, Any], last: PastResult | None
    ) -> None:
        state = told.state
        told.facts["problem"] = problem
        message = str(problem.get("message") or "").strip().removeprefix(f"{state}: ")
        kind = str(problem.get("kind") or "")
        if state == "failed" and kind:
            message = f"{kind}: {message}" if message else kind
        told.tree = tree_of(problem)
        if state == "blocked":
            said = f"is blocked by what it needs: {message}"
        elif state == "skipped":
            also = " because what it needs was" if told.tree else ""
            said = f"was skipped{also}: {message}" if message else f"was skipped{also}"
        elif state == WAITING_FOR_OUTSIDE:
            self._outside(told, problem, message)
            return
        elif state.startswith("waiting"):
            rest = message.removeprefix("for ")
            said = f"is {state}: {rest}" if state != "waiting" else f"is waiting for {rest}"
        else:
            where = f" at {self._file()}:{problem['line']}" if problem.get("line") else ""
            code = str(problem.get("context_line") or "").strip()
            verb = _VERBS.get(state, state)
            said = f"{verb}{where}{f' (`{code}`)' if code else ''}: {message}"
        told.sentences.append(f"{self._cell(told)} {ended(said)}")
        if last is not None and last.state == state:
            told.sentences.append(f"That was {self._made(last)}.")
        if remedy := _REMEDIES.get(state):
            told.sentences.append(remedy.format(run=told.run))

    def _outside(self, told: Explanation, problem: Mapping[str, Any], message: str) -> None:
        """For which program it waits, or which variable does."""
        about = problem.get("outside")
        if not about:
            told.sentences.append(
                f"{self._cell(told)} is waiting for outside: it needs {message}, whose value a "
                f"launched program is going to submit."
            )
            return
        name, run = told.variable, told.run
        told.sentences += [
            f"{self._cell(told)} is waiting for outside: `{message}` was launched on "
            f"{self._when(about['since'])} ({place_of(problem)}) and has not submitted a value "
            f"yet, after {lasting(datetime.now(UTC), about['since'])}.",
            f"It does that by `knockoff submit {run} {name} FILE`; `knockoff logs {run}` has what "
            f"it prints, and `knockoff cancel {run}` ends it.",
        ]
        if job := about.get("job"):
            told.sentences.append(
                f"Whether Slurm still knows it says `squeue -j {job}`, and how it ended `sacct -j "
                f"{job}`: where it was killed, nobody tells the cell."
            )
        owner = str(about.get("owner") or "")
        if owner and not about.get("job") and is_dead(owner):
            told.sentences.append(
                "Its process is gone: the next listener or `knockoff process` says so in the cell."
            )

    async def _newer_column(self, told: Explanation) -> None:
        contexts = await contexts_with(self.database, self.table, told.variable)
        since = [each["first_used_at"] for each in contexts]
        new = f", which the context file has since {self._when(since[0])}" if since else ""
        told.facts["column_since"] = since[0] if since else None
        told.sentences.append(
            f"{self._cell(told)} was not computed: the run was processed before this column was "
            f"there{new}. `knockoff reprocess {told.run}` computes what is due."
        )

    def _no_data(self, told: Explanation, data: str) -> None:
        kinds = ", ".join(map(str, self.row.get("knockoff", {}).get("data") or ())) or "none"
        told.sentences.append(
            f"{self._cell(told)} is waiting for {data} data: of this run there is {kinds} so far. "
            f"It is computed when the facility announces it; `knockoff process {told.run}` looks "
            f"for it now."
        )

    async def _at_work(self, told: Explanation) -> None:
        active = self.row.get("knockoff", {}).get("active") or {}
        jobs = (
            await self.database[JOBS]
            .find({"collection": self.table, "run": told.run, "state": {"$ne": "done"}})
            .to_list(None)
        )
        told.facts["jobs"] = [
            {part: each.get(part) for part in ("_id", "state", "attempt", "created_at", "reason")}
            for each in jobs
        ]
        for cause, mark in active.items():
            told.facts["active"] = {"cause": cause, **mark}
            dead = " That process is gone: the next listener or `knockoff process` takes over."
            is_gone = is_dead(str(mark.get("owner") or ""))
            where = f"by process {mark.get('pid')} on {mark.get('host')}"
            since = f" since {self._when(mark['since'])}" if mark.get("since") else ""
            if told.state == "running":
                said = f"is being computed {where}, which works on the run{since}"
            else:
                now = f", just now {mark['variable']}" if mark.get("variable") else ""
                said = f"is queued: the run is being worked on {where}{since}{now}"
            told.sentences += [
                f"{self._cell(told)} {said}.{dead if is_gone else ''}",
                f"`knockoff logs {told.run} --follow` shows what it prints.",
            ]
            return
        told.sentences.append(f"{self._cell(told)} is {told.state}: it was not begun yet.")
        for job in jobs:
            if job["state"] == "failed":
                told.sentences.append(f"Its job was given up: {ended(str(job.get('reason')))}")
            else:
                told.sentences.append(f"Its job has waited since {self._when(job['created_at'])}.")
        told.sentences.append(
            f"Whoever listens takes it next; `knockoff process {told.run}` does it now."
        )

    async def _edits(
        self,
        told: Explanation,
        described: TableDescription,
        variable: VariableDescription,
        last: PastResult,
    ) -> None:
        """What has changed since the last result, by code and by inputs."""
        edits = Edits(self.database, self.row, described, self.context or {}, self._wording)
        kept = self._kept(told)
        if kept:
            begin = "But now"
        elif told.state == STALE:
            begin = "It is stale because"
        elif edits.has_other_code(variable):
            begin = "But now"
        elif last.problem is not None and (changed := await edits.changed_fields(variable, last)):
            told.sentences.append(f"But now {listed(changed)}.")
            return
        else:
            return
        reason = await edits.reason(variable, last)
        told.facts["edits"] = edits.found
        told.sentences.append(f"{begin} {reason}.")
        if not kept:
            told.sentences.append(f"`knockoff reprocess {told.run}` computes what is due.")
        elif told.state == STALE:
            told.sentences.append(
                f"It is kept all the same until code or inputs change once more; `knockoff "
                f"reprocess {told.run} --variables {variable.name}` computes it now."
            )

    def _rolled_back(self, told: Explanation, last: PastResult) -> None:
        """Who has chosen this result, and instead of which."""
        told.facts["rolled_back"] = {
            "to": last.rolled_back_to,
            "from": last.entry.get("rolled_back_from"),
            "at": last.at,
            "by": last.by,
        }
        told.sentences.append(
            f"It was rolled back to that attempt, {last.rolled_back_to}, by {last.by} on "
            f"{self._when(last.at)}; before, it held that of {last.entry.get('rolled_back_from')}."
        )

    def _kept(self, told: Explanation) -> bool:
        """Whether it holds an older result because somebody wants it so."""
        stale = value_at(dict(self.row), f"knockoff.{STALE}") or {}
        return str(stale.get(slashed(told.variable)) or "").startswith(KEPT)

    def _unused_edit(self, told: Explanation) -> None:
        if self.context is not None and self.on_disk not in (None, self.context["source"]):
            told.facts["context_is_newer"] = True
            told.sentences.append(
                "The context file was edited after it was last used; `knockoff context check` "
                "says whether it is good."
            )

    def _described(self) -> TableDescription | None:
        try:
            context = read_description(self.context) if self.context is not None else None
        except ContextFileError:  # by another version of knockoff: what is due is not known
            return None
        tables = context.tables if context is not None else ()
        return next((each for each in tables if each.collection == self.table), None)

    def _file(self) -> str:
        return PurePath(str((self.context or {}).get("path") or "context.py")).name

    def _cell(self, told: Explanation) -> str:
        return f"{told.variable} of run {told.run}"

    def _made(self, result: PastResult) -> str:
        entry = result.entry
        memory = entry.get("peak_memory") or 0
        used = f" and {memory / 1e6:.0f} MB" if memory else ""
        if result.source:
            code = f", for code {result.code}"
            return f"on {self._when(result.at)} by {result.by} (attempt {result.attempt}){code}"
        return (
            f"on {self._when(result.at)} by {result.by} (attempt {result.attempt}) in "
            f"{entry.get('seconds') or 0:.3g} s{used}, with code {result.code}"
        )

    def _input(self, name: str, about: Mapping[str, Any]) -> str:
        value = f" = {self._value(about['value'])}" if "value" in about else ""
        attempt = f" ({about['attempt']})" if "attempt" in about else ""
        return f"{name}{value}{attempt}"

    def _when(self, moment: datetime) -> str:
        return self._wording.when(moment)

    def _value(self, value: Any) -> str:
        return self._wording.value(value)

    @property
    def _wording(self) -> Wording:
        return Wording(self.zone)
