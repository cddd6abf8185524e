"""Context files loaded in processes of their own, and again when they change."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from knockoff.contextfile.problems import ContextProblems
from knockoff.engine.local import open_engine

from .conftest import BEGINNING, END, results, until

if TYPE_CHECKING:
    from .conftest import Place


async def test_a_context_file_is_described_without_its_code_coming_here(place: Place) -> None:
    """The recorder holds the database; user code in its process could do anything with it."""
    (place.folder / "beside_it.py").write_text("ONE = 1\n")
    context = place.context(
        """
import beside_it
import this_is_known_here_too

@Variable(title="One", units="mm", timeout=7)
def one(run: "meta#run_number") -> int:
    return beside_it.ONE
"""
    )
    (place.folder / "this_is_known_here_too.py").write_text("print('printed at import')")
    async with open_engine(place.settings) as engine:
        description = await engine.describe(context)

    (table,) = description.tables
    variable = table.variable("one")
    assert (variable.title, variable.units, variable.timeout) == ("One", "mm", 7)
    assert description.source == context.read_text()
    assert not any(
        getattr(module, "__file__", None) and str(place.folder) in str(module.__file__)
        for module in tuple(sys.modules.values())
    )
    assert str(place.folder) not in sys.path
    printed = (place.folder / "process_logs" / "context.log").read_text()
    assert "printed at import" in printed


async def test_all_problems_of_a_context_file_come_with_their_places(place: Place) -> None:
    """They are found in another process, and must read as if it had been this one."""
    context = place.context(
        """
@Variable
def one(x: "var#nothing"):
    return x

@Variable
def two(x: "wrong#prefix"):
    return x
"""
    )
    async with open_engine(place.settings) as engine:
        with pytest.raises(ContextProblems) as raised:
            await engine.describe(context)

    lines = {problem.line for problem in raised.value.problems}
    assert len(lines) == len(raised.value.problems) == 2
    assert {problem.file for problem in raised.value.problems} == {str(context)}


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("import os; os._exit(4)", "exit status 4"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("while True: pass", "has not been loaded after"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("def broken(:", "SyntaxError"),
    ],
    ids=["exit", "segfault", "endless", "sys.exit", "syntax"],
)
async def test_a_context_file_that_takes_its_process_down_is_a_problem_of_that_file(
    top: str, message: str, place: Place
) -> None:
    """The service goes on, and says which file it was."""
    context = place.context(top, alone=True)
    patience = 1.5 if "while" in top else 60.0
    async with open_engine(replace(place.settings, loading=patience)) as engine:
        with pytest.raises(ContextProblems) as raised:
            await engine.describe(context)
        (problem,) = raised.value.problems
        assert problem.file == str(context)
        assert message in problem.message
        await place.until_nothing_runs()

        context.write_text("")
        assert (await engine.describe(place.context(""))).tables


async def test_another_interpreter_finds_knockoff_and_nothing_else_of_ours(place: Place) -> None:
    """Our numpy on the path of another Python would be the wrong one."""
    python = place.folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    context = place.context(
        """
@Variable
def found(run: "meta#run_number"):
    import knockoff
    folder = Path(knockoff.__file__).parents[1]
    return [str(folder), sorted(os.listdir(folder)), os.environ["PYTHONPATH"]]
"""
    )
    async with open_engine(replace(place.settings, python=str(python))) as engine:
        found = await results(engine, context, place.task(), ("found",))

    folder, content, path = found["found"].fields["found"]
    assert folder == path
    assert content == ["knockoff"]


async def test_a_changed_context_file_is_used_once_it_was_described_again(place: Place) -> None:
    """Between the two, columns and values would not fit together."""
    one = "@Variable\ndef value(run: 'meta#run_number'):\n    return 'one'\n"
    async with open_engine(place.settings) as engine:
        context = place.context(one)
        first = await engine.describe(context)
        place.context(one.replace("'one'", "'two'"))
        before = await results(engine, context, place.task(), ("value",))
        second = await engine.describe(context)
        after = await results(engine, context, place.task(), ("value",))
        unchanged = await engine.describe(context)

    assert (before["value"].fields, after["value"].fields) == ({"value": "one"}, {"value": "two"})
    assert first.source_hash != second.source_hash
    assert before["value"].code == first.tables[0].variable("value").code
    assert after["value"].code == second.tables[0].variable("value").code
    assert unchanged is second


async def test_a_changed_module_beside_the_context_file_counts(place: Place) -> None:
    """People keep their functions in one."""
    (place.folder / "mine.py").write_text("def value(): return 1\n")
    context = place.context(
        "import mine\n@Variable\ndef value(run: 'meta#run_number'):\n    return mine.value()\n"
    )
    async with open_engine(place.settings) as engine:
        first = await engine.describe(context)
        (place.folder / "mine.py").write_text("def value(): return 1 + 1\n")
        second = await engine.describe(context)
        found = await results(engine, context, place.task(), ("value",))

    assert found["value"].fields == {"value": 2}
    assert first.tables[0].variable("value").code != second.tables[0].variable("value").code


async def test_a_context_file_may_load_another_one_from_text(place: Place) -> None:
    """What is loaded so seems to lie beside it, and is no file that could change."""
    context = place.context(
        """
from damnit_ctx import Pipeline

inner = Pipeline.from_str("from damnit_ctx import Variable\\n@Variable\\ndef one(run): return 1")

@Variable
def twice(run: "meta#run_number") -> int:
    return 2 * inner.execute(data=run)["one"]
"""
    )
    async with open_engine(place.settings) as engine:
        await engine.describe(context)
        found = await results(engine, context, place.task(), ("twice",))

    assert found["twice"].fields == {"twice": 2}


async def test_a_broken_context_file_leaves_the_last_good_one_in_use(place: Place) -> None:
    """A typing mistake at three in the morning must not stop the table."""
    async with open_engine(place.settings) as engine:
        context = place.context("")
        await engine.describe(context)
        place.context("def broken(:")
        with pytest.raises(ContextProblems):
            await engine.describe(context)
        found = await results(engine, context, place.task(), ("before",))

    assert found["before"].fields == {"before": 42}


async def test_an_old_zygote_ends_when_its_last_run_has(place: Place) -> None:
    """Else every saved edit would cost 90 MB until the service is restarted."""
    one = "@Variable\ndef value(run: 'meta#run_number'):\n    return 'one'\n"
    async with open_engine(place.settings) as engine:
        context = place.context(one)
        await engine.describe(context)
        (old,) = place.processes()
        async with engine.session(context, place.task()) as session:
            place.context(one.replace("'one'", "'two'"))
            await engine.describe(context)
            said = [message async for message in session.fill(("value",))]
            assert getattr(said[1], "fields", None) == {"value": "one"}
            assert old in place.processes()
        await until(lambda: old not in place.processes())
        assert len(place.processes()) == 1


async def test_context_files_at_rest_keep_to_their_memory(place: Place) -> None:
    """A listener for all proposals knows 85 of them, and most have no beam tonight."""
    files = []
    for name in ("one", "two", "three"):
        file = place.folder / f"{name}.py"
        file.write_text(BEGINNING + f"NAME = {name!r}\n" + END)
        files.append(file)
    async with open_engine(replace(place.settings, idle_memory=1)) as engine:
        for file in files:
            await engine.describe(file)
        await until(lambda: len(place.processes()) == 1)

        told = await results(engine, files[0], place.task(), ("before", "after"))
        described = await engine.describe(files[1])

        assert told["after"].cell.value == 43
        assert described.path == str(files[1])
        await until(lambda: len(place.processes()) == 1)


async def test_a_context_file_that_was_at_rest_runs_as_it_was_described(place: Place) -> None:
    """Somebody has broken it since; the last good one is in use, asleep or not."""
    file = place.context("")
    other = place.folder / "other.py"
    other.write_text(BEGINNING + END)
    async with open_engine(replace(place.settings, idle_memory=1)) as engine:
        good = await engine.describe(file)
        await engine.describe(other)
        await until(lambda: len(place.processes()) == 1)
        file.write_text("def broken(:\n")

        told = await results(engine, file, place.task(), ("before", "after"))

        assert told["after"].cell.value == 43
        with pytest.raises(ContextProblems):
            await engine.describe(file)
        told = await results(engine, file, place.task(run=43), ("before", "after"))
        assert told["after"].cell.value == 44
        assert told["after"].code == good.tables[0].variable("after").code
