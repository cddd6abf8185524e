"""`Pipeline`: variables executed in this process, without a database and without a file."""

from __future__ import annotations

import hashlib
import linecache
from copy import copy
from dataclasses import asdict
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.assembling import context_of, united
from knockoff.contextfile.choice import current_choice
from knockoff.contextfile.loading import load, load_source
from knockoff.contextfile.pieces import Pieces
from knockoff.contextfile.selecting import run_data_kind, selected
from knockoff.filling.given import Given
from knockoff.filling.trial import Trial
from knockoff.runkey import RunKey
from knockoff.runkey import proposal_number as checked_proposal
from knockoff.runkey import run_number as checked_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Self

    from knockoff.contextfile.assembling import OnConflict
    from knockoff.contextfile.description import VariableDescription
    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.tables import TableSource
    from knockoff.filling.results import Progress, Results


class Pipeline:
    """Variables that are executed together in this process.

    For a notebook, for tests of a context file, and inside of a variable that needs
    something of another run. Nothing is stored: values are in the `Results`.

    Parameters
    ----------
    proposal, run_number:
        The run. Needed if a variable asks for its number or, without `data`, for its data.
    name:
        Stands above the results. Default: 12 hexadecimal digits made from the code.
    data:
        Given to variables as the run, whatever it is. Default: the run is opened, once per
        kind of data, when the first variable asks for it.
    run_data:
        ``"raw"`` or ``"proc"`` to execute only variables that need this kind. Default: all.
    param_values, input_vars:
        Values of ``param#name``; the second is DAMNIT's older word for the same.
    data_root:
        Folder of all proposals. Default: inside of a variable that of the run being
        filled, else ``EXTRA_DATA_DATA_ROOT``, else the facility's.

    Raises
    ------
    RunKeyError
        `proposal` or `run_number` is no such number.

    Examples
    --------
    A test of a variable with made-up data; with ``raise_errors`` what it raises comes out:

    >>> from knockoff import Pipeline, Variable
    >>> @Variable(units="mJ")
    ... def energy(run) -> float:
    ...     return sum(run["XGM"]) / 1000
    >>> results = Pipeline(data={"XGM": [800, 1200]}).add(energy).execute(raise_errors=True)
    >>> assert results["energy"] == 2.0
    >>> results.cells["energy"].units
    'mJ'
    """

    def __init__(
        self,
        proposal: int | str | None = None,
        run_number: int | str | None = None,
        *,
        name: str | None = None,
        data: Any = None,
        run_data: object = None,
        param_values: Mapping[str, Any] | None = None,
        input_vars: Mapping[str, Any] | None = None,
        data_root: str | Path | None = None,
    ) -> None:
        self.proposal = None if proposal is None else checked_proposal(proposal)
        self.run_number = None if run_number is None else checked_run(run_number)
        self.data = data
        self.run_data = run_data_kind(run_data)
        self.param_values: dict[str, Any] = {**(input_vars or {}), **(param_values or {})}
        self.data_root = None if data_root is None else Path(data_root)
        self._name = name
        self._pieces = Pieces()
        self._results: Results | None = None

    # Where the variables come from

    @classmethod
    def from_context_file(
        cls, path: str | Path, *, table: str | None = None, name: str | None = None
    ) -> Self:
        """The variables of a context file.

        Parameters
        ----------
        table:
            Class or collection, where the file has several classes.

        Raises
        ------
        ContextProblems
            Something is wrong with the file; all of it is listed.
        PipelineError
            There are several tables in it, or none of that name.
        """
        made = cls(name=name)
        made._pieces = Pieces.of_context(load(Path(path)), table)
        return made

    @classmethod
    def from_str(
        cls, code: str, *, path: str = "", table: str | None = None, name: str | None = None
    ) -> Self:
        """The variables of a context file's text; it may be indented, as in a test.

        Parameters
        ----------
        path:
            What to call it in error messages, and where modules beside it are looked for.
        table:
            As for `from_context_file`.

        Raises
        ------
        ContextProblems, PipelineError
            As `from_context_file`.
        """
        text = dedent(code)
        file = Path(path or f"<context {_digest(text)}>").absolute()
        lines = text.splitlines(keepends=True)
        linecache.cache[str(file)] = (len(text), None, lines, str(file))
        made = cls(name=name)
        made._pieces = Pieces.of_context(load_source(file, text.encode()), table)
        return made

    def add(self, *items: object) -> Self:
        """Take in variables, groups and run classes, and lists or dicts of them.

        The keys of a dict are names. A group needs one: its ``name=``, a key, or the
        name it has at the top of its file. What reads what is checked when the
        pipeline is used, so that the order in which they are added is of no matter.

        Returns
        -------
        :
            This pipeline itself, changed.

        Raises
        ------
        TypeError
            One of them is nothing that fills a column.
        PipelineError
            There is a column of that name already, or another run class.
        """
        self._pieces = self._pieces.with_items(items)
        self._results = None
        return self

    def union(self, other: Pipeline, on_conflict: OnConflict = "error") -> Self:
        """A new pipeline with the variables of both; the run is this one's, else the other's.

        Raises
        ------
        PipelineError
            Both have a column of the same name, and `on_conflict` is "error"; or their
            variables belong to two run classes.
        """
        return self._changed(
            _pieces=self._pieces.united(other._pieces, on_conflict),
            proposal=other.proposal if self.proposal is None else self.proposal,
            run_number=other.run_number if self.run_number is None else self.run_number,
            data=other.data if self.data is None else self.data,
            data_root=other.data_root if self.data_root is None else self.data_root,
            param_values={**other.param_values, **self.param_values},
        )

    def copy(self) -> Self:
        """The same pipeline again, without results."""
        return self._changed()

    def with_context(
        self,
        *,
        name: str | None = None,
        proposal: int | str | None = None,
        run_number: int | str | None = None,
        data: Any = None,
        run_data: object = None,
        param_values: Mapping[str, Any] | None = None,
        input_vars: Mapping[str, Any] | None = None,
        data_root: str | Path | None = None,
    ) -> Self:
        """A new pipeline for another run, or with other data; what is not given stays.

        Raises
        ------
        RunKeyError
            As for `Pipeline`.
        """
        own = Pipeline(
            proposal,
            run_number,
            run_data=run_data,
            param_values=param_values,
            input_vars=input_vars,
            data_root=data_root,
        )
        has_values = param_values is not None or input_vars is not None
        given = {
            "_name": name,
            "proposal": own.proposal,
            "run_number": own.run_number,
            "data": data,
            "run_data": None if run_data is None else own.run_data,
            "data_root": own.data_root,
            "param_values": own.param_values if has_values else None,
        }
        changes = {what: each for what, each in given.items() if each is not None}
        return self._changed(**changes)

    def select(
        self,
        *,
        variables: str | Iterable[str] = (),
        match: str | Iterable[str] = (),
        run_data: object = None,
        cluster: bool | None = None,
    ) -> Self:
        """A new pipeline with some of the variables, and all that these read.

        Parameters
        ----------
        variables:
            Names, or those of groups for all of their variables.
        match:
            Pieces of titles or names, whatever their case.
        run_data:
            Only those that need ``"raw"`` or ``"proc"`` data.
        cluster:
            Only heavy ones, or only others.

        Raises
        ------
        PipelineError
            There is no such variable, or no title with such a piece.
        """
        kind = run_data_kind(run_data)
        kept = selected(self._pieces.table, variables, match, kind, cluster)
        return self._changed(_pieces=self._pieces.only(kept))

    # The default one of a context file

    @staticmethod
    def default() -> Pipeline:
        """That of the context file being loaded: what is added to it joins the file's variables."""
        choice = current_choice()
        if not isinstance(choice.chosen, Pipeline):
            choice.chosen = Pipeline()
        return choice.chosen

    @staticmethod
    def set_default(pipeline: Pipeline) -> Pipeline:
        """Let the table of the context file being loaded consist of this pipeline's variables.

        Raises
        ------
        TypeError
            It is no pipeline.
        """
        if not isinstance(pipeline, Pipeline):
            raise TypeError(
                f"Pipeline.set_default expects a Pipeline instance, not {type(pipeline).__name__}."
            )
        choice = current_choice()
        choice.chosen, choice.alone = pipeline, True
        return pipeline

    def source_in(self, names: Mapping[str, Any], beside: TableSource | None) -> TableSource:
        """What a context file that has chosen this pipeline makes its table of.

        Raises
        ------
        PipelineError
            As `add`.
        """
        own = self._pieces.named(names)
        return own if beside is None else united(beside, own)

    # What is in it

    @property
    def name(self) -> str:
        """As given, else 12 hexadecimal digits that change with the code of its variables."""
        if self._name is not None:
            return self._name
        return _digest(*(f"{each.name} {each.code}" for each in self.vars.values()))

    @property
    def vars(self) -> dict[str, VariableDescription]:
        """What is known of each variable, by dotted name, in the order in which they run.

        Raises
        ------
        ContextProblems
            Something is wrong with them.
        """
        table = self._pieces.table
        return {table.scope.spelt(each.name): each for each in table.description.variables}

    @property
    def input_vars(self) -> dict[str, Any]:
        """The same as `param_values`, as DAMNIT called it before."""
        return self.param_values

    @property
    def context(self) -> Context:
        """The same as if it had been loaded from a context file.

        Raises
        ------
        ContextProblems
            Something is wrong with the variables.
        """
        return context_of(*self._pieces.tables, file=self._pieces.file)

    @property
    def results(self) -> Results | None:
        """Of the last `execute`; None before it, and after another variable was added."""
        return self._results

    def vars_to_dict(self, inc_transient: bool = False) -> dict[str, dict[str, Any]]:
        """Title, units, tags and all else that is known of each variable, as plain data."""
        return {
            name: asdict(each)
            for name, each in self.vars.items()
            if inc_transient or not each.transient
        }

    def execute(
        self,
        *,
        data: Any = None,
        param_values: Mapping[str, Any] | None = None,
        input_vars: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        mymdc: Mapping[str, Any] | None = None,
        raise_errors: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Results:
        """Compute all variables, each after those that it reads.

        A variable that fails leaves its place empty, and those that read it; all
        others are computed. Nothing is written to disk.

        Parameters
        ----------
        data:
            Given to variables as the run, instead of the pipeline's own.
        param_values, input_vars:
            Values of ``param#name``, beside the pipeline's own.
        fields:
            What people have typed into the row: values of `Editable` fields, and of
            ``comment`` and ``tags``. Default: the defaults in the class.
        mymdc:
            Values of ``mymdc#run_type``, ``mymdc#sample_name``, ``mymdc#techniques``.
        raise_errors:
            Raise what a variable raises, at once; for tests. A `Skip` is no error.
        on_progress:
            Called when a variable begins and when it has ended.

        Raises
        ------
        PipelineError
            A variable asks for the run, and none was given; or a field is not there.
        ContextProblems
            Something is wrong with the variables; all of it is listed.
        """
        table = self._pieces.table
        if self.run_data != "all":
            others = (
                each.name for each in table.description.variables if each.data != self.run_data
            )
            table = table.without(others)
        given = Given(
            proposal=self.proposal,
            run=self.run_number,
            data_root=self.data_root,
            data=self.data if data is None else data,
            parameters={**self.param_values, **(input_vars or {}), **(param_values or {})},
            mymdc=mymdc or {},
            fields=fields or {},
        )
        context = context_of(table, *self._pieces.tables[1:], file=self._pieces.file)
        trial = Trial(context, table.description.collection, given)
        self._results = trial.run(self.name, raise_errors=raise_errors, on_progress=on_progress)
        return self._results

    def __repr__(self) -> str:
        run = ""
        if self.proposal is not None and self.run_number is not None:
            run = f" of {RunKey(self.proposal, self.run_number)}"
        nameless = (type(each).__name__ for each in self._pieces.nameless)
        names = (*self._pieces.source.members.names, *nameless)
        name = f"{self._name!r}: " if self._name else ""
        return f"<Pipeline {name}{', '.join(names) or 'empty'}{run}>"

    @property
    def __knockoff_parts__(self) -> list[Any]:
        """What a hash of code that uses this pipeline has to notice."""
        return [self._pieces, self.proposal, self.run_number, self.run_data, self.param_values]

    def _changed(self, **attributes: Any) -> Self:
        made = copy(self)
        own = {"_results": None, "param_values": dict(self.param_values)}
        vars(made).update({**own, **attributes})
        return made


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
