"""Files that were written for DAMNIT: they load as they are, and compute what they computed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.contextfile.damnit import DAMNIT_WORDS, RunData, isinstance_no_import
from knockoff.contextfile.names import DOCUMENT_NAMES, OUR_NAMES, PEOPLES_NAMES
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.rundata.synthetic import write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from knockoff.contextfile.loading import Context
    from knockoff.contextfile.problems import Problem

    Loaded = Callable[[str], Context]
    Problems = Callable[[str], tuple[Problem, ...]]
    Filled = Callable[[str], dict[str, Result]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with run 3 of proposal 1234."""
    root = tmp_path_factory.mktemp("data")
    write_run(root, RunKey(1234, 3), trains=4, pulses=2, sequences=1)
    return root


@pytest.fixture
def filled(loaded: Loaded, folder: Path, root: Path) -> Filled:
    """Compute all variables of a context file with this text for that run."""

    def fill(text: str) -> dict[str, Result]:
        context = loaded(text)
        (table,) = context.tables.values()
        task = RunTask(1234, 3, "runs", "1", str(folder / "arrays"), str(root))
        told: list[Any] = []
        Filling(context, task).fill(list(table.formulas), told.append)
        return {each.variable: each for each in told if isinstance(each, Result)}

    return fill


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What variables of DAMNIT's modules have imported is there no longer."""
    yield
    for name in ("damnit_ctx", "damnit.context", "damnit"):
        sys.modules.pop(name, None)


def values(results: dict[str, Result]) -> dict[str, Any]:
    """What was computed, by column."""
    return {name: value for each in results.values() for name, value in each.fields.items()}


def columns(context: Context) -> list[str]:
    """Of the one table of a file of functions."""
    return [each.name for each in context.tables["runs"].description.variables]


# Names


@pytest.mark.parametrize("name", sorted((OUR_NAMES | PEOPLES_NAMES) - {"_id"}))
def test_a_function_called_like_a_field_of_the_row_leaves_that_field_alone(
    filled: Filled, name: str
) -> None:
    """DAMNIT lets it overwrite the built-in one, and the table cannot be opened any more."""
    results = filled(
        f"""
        from damnit_ctx import Variable

        @Variable(title="Mine")
        def {name}(run, number: "meta#run_number"):
            return 10 * number

        @Variable
        def twice(run, mine: "var#{name}"):
            return 2 * mine

        @Variable
        def names(run, all_of_them: "var#{name[:2]}*"):
            return ", ".join(all_of_them)
        """
    )

    assert values(results) == {f"{name}_": 30, "twice": 60, "names": name}


def test_what_is_stored_otherwise_is_a_note_with_its_line(loaded: Loaded) -> None:
    """Whoever queries the database has to know; nobody has to change the file."""
    context = loaded(
        """
        from damnit_ctx import Variable

        @Variable
        def start_time(run):
            return 1

        @Variable
        def _helper_value(run):
            return 2
        """
    )

    assert [(note.line, note.is_note, note.message) for note in context.description.notes] == [
        (5, True, "start_time is stored as start_time_, because every row has a "
         "'start_time' already."),
        (9, True, "_helper_value is stored as helper_value_, because no column begins "
         "with an underscore."),
    ]  # fmt: skip
    assert [each.title for each in context.tables["runs"].description.variables] == [
        "Start time", "Helper value",
    ]  # fmt: skip


def test_a_name_nearby_that_is_taken_as_well_is_not_used(filled: Filled) -> None:
    """Each function has a column of its own, and each mark means the function it names."""
    results = filled(
        """
        from damnit_ctx import Variable

        @Variable
        def run(data):
            return 1

        @Variable
        def run_(data):
            return 2

        @Variable
        def count(data):
            return 3

        @Variable
        def count_(data):
            return 4

        @Variable
        def _(data, a: "var#run", b: "var#run_", c: "var#count", d: "var#count_"):
            return [a, b, c, d]
        """
    )

    assert values(results) == {
        "run__": 1, "run_": 2, "count": 3, "count__": 4, "column_": [1, 2, 3, 4],
    }  # fmt: skip


def test_methods_of_documents_are_names_like_any_other(loaded: Loaded) -> None:
    """The column keeps its name; only the attribute in Python ends with an underscore."""
    names = sorted(name for name in DOCUMENT_NAMES if name.isidentifier())
    functions = "".join(f"\n@Variable\ndef {name}(run): return 1\n" for name in names)

    context = loaded(f"from damnit_ctx import Variable\n{functions}")

    assert columns(context) == names
    assert context.description.notes == ()


def test_groups_may_have_taken_names_too(filled: Filled) -> None:
    """Also inside of them, where a name is only taken if it begins with an underscore."""
    results = filled(
        """
        from damnit_ctx import Group, Variable

        @Group
        class Motor:
            @Variable
            def status(self, run):
                return 1

            @Variable
            def _raw(self, run, on: "self#status"):
                return on + 1

            @Variable
            def fine(self, run, raw: "self#_raw"):
                return raw + self._raw

        status = Motor()

        @Variable
        def total(run, fine: "var#status.fine", raw: "var#status._raw"):
            return fine + raw
        """
    )

    assert values(results) == {
        "status_.status": 1, "status_.raw_": 2, "status_.fine": 4, "total": 6,
    }  # fmt: skip


def test_the_last_function_of_a_name_counts_and_the_first_has_a_note(loaded: Loaded) -> None:
    """DAMNIT says nothing, and people look for the value in the wrong place."""
    context = loaded(
        """
        from damnit_ctx import Variable

        @Variable(title="First")
        def hits(run):
            return 1

        @Variable(title="Last")
        def hits(run):
            return 2
        """
    )

    (hits,) = context.tables["runs"].description.variables
    (note,) = context.description.notes
    assert hits.title == "Last"
    assert (note.line, note.is_note) == (5, True)
    assert note.message == "hits is written again in line 9, and only that counts."


def test_titles_that_only_we_write_alike_are_no_problem(loaded: Loaded) -> None:
    """To DAMNIT `hits` and `Hits` are two titles; two written alike are a problem there, too."""
    context = loaded(
        """
        from damnit_ctx import Variable

        @Variable
        def hits(run): return 1

        @Variable
        def Hits(run): return 1
        """
    )

    assert columns(context) == ["hits", "Hits"]


def test_titles_written_alike_are_a_problem(problems: Problems) -> None:
    """As in DAMNIT: nobody could tell the columns apart."""
    (problem,) = problems(
        """
        from damnit_ctx import Variable

        @Variable(title="Hits")
        def a(run): return 1

        @Variable(title="Hits")
        def b(run): return 1
        """
    )

    assert problem.line == 7
    assert "b and a have the same title 'Hits'" in problem.message


def test_functions_of_a_factory_are_called_as_they_are_assigned(filled: Filled) -> None:
    """In DAMNIT only the last would have a column, since all have the name of the inner one."""
    results = filled(
        """
        import functools
        from damnit_ctx import Variable

        def make(factor):
            def inner(run, number: "meta#run_number"):
                return factor * number
            return inner

        for factor in (2, 3):
            globals()[f"times_{factor}"] = Variable(title=f"Times {factor}")(make(factor))

        def logged(function):
            @functools.wraps(function)
            def wrapper(data, *args, **kwargs):
                return function(data, *args, **kwargs)
            return wrapper

        @Variable("Sum", tags=["a"])
        @logged
        def total(run, two: "var#times_2", three: "var#times_3" = 0):
            return two + three

        short = Variable("Short")(lambda run: 7)

        def compute(run):
            return 8

        assigned = Variable("Assigned")(compute)
        """
    )

    assert values(results) == {
        "times_2": 6, "times_3": 9, "total": 15, "short": 7, "compute": 8,
    }  # fmt: skip


def test_variables_that_are_imported_are_columns(filled: Filled, folder: Path) -> None:
    """Beamlines keep those that all proposals have in a module beside the file."""
    (folder / "common_variables.py").write_text(
        "from damnit_ctx import Variable\n\n@Variable\ndef shared(run):\n    return 4\n"
    )

    results = filled(
        """
        from common_variables import *
        from damnit_ctx import Variable

        @Variable
        def twice(run, shared: "var#shared"):
            return 2 * shared
        """
    )

    assert values(results) == {"shared": 4, "twice": 8}


# Words


def test_all_words_are_found_under_all_names(loaded: Loaded) -> None:
    """Files import them from either module, one by one, as a module, or all at once."""
    context = loaded(
        """
        import damnit_ctx
        import damnit.context as words
        from damnit.ctxsupport.damnit_ctx import Cell as ThirdCell
        from damnit_ctx import *
        from damnit.context import Cell as OtherCell
        from damnit_ctx import isinstance_no_import

        assert words.Variable is damnit_ctx.Variable is Variable
        assert Cell is OtherCell is ThirdCell
        assert issubclass(GroupError, Exception) and issubclass(Skip, Exception)
        assert Group and Pipeline

        @Variable(data=RunData.PROC)
        def corrected(run):
            return 1
        """
    )

    assert context.tables["runs"].description.variable("corrected").data == "proc"
    assert set(DAMNIT_WORDS) >= {"Variable", "Cell", "Group", "GroupError", "Pipeline"}
    assert [each.value for each in RunData] == ["raw", "proc", "all"]
    assert not sys.modules.keys() & {"damnit_ctx", "damnit", "damnit.context"}


def test_a_type_is_told_without_importing_its_module() -> None:
    """As DAMNIT's own word does, so that a file need not import plotly to ask."""
    assert isinstance_no_import(Path(), "pathlib", "Path")
    assert not isinstance_no_import(Path(), "pathlib", "NoSuchClass")
    assert not isinstance_no_import(Path(), "module_that_is_not_imported", "Path")


@pytest.mark.usefixtures("forgotten")
def test_words_may_be_imported_while_a_variable_runs(filled: Filled, folder: Path) -> None:
    """In the function itself, or in a module that it imports only then."""
    (folder / "late_module.py").write_text("from damnit_ctx import Cell\n")

    results = filled(
        """
        from damnit_ctx import Variable

        @Variable
        def skipped(run):
            from damnit.context import Skip
            raise Skip("no beam")

        @Variable
        def late(run):
            import late_module
            return late_module.Cell(3, bold=True)
        """
    )

    assert results["skipped"].outcome == "skipped"
    assert values(results) == {"late": 3}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("from damnit_ctx import Variabel", "damnit_ctx has no Variabel. Did you mean 'Variable'?"),
        ("from damnit.context import Nope", "damnit.context has no Nope. There are Cell, Group,"),
        ("import damnit_ctx; damnit_ctx.Pipelin", "damnit_ctx has no Pipelin. Did you mean"),
    ],
)
def test_an_unknown_word_is_told_at_its_line(problems: Problems, line: str, message: str) -> None:
    """It says what there is instead of where Python looked."""
    (problem,) = problems(f"\n{line}\n")

    assert problem.line == 2
    assert message in str(problem)


def test_an_unknown_word_among_others_is_told_where_it_stands(problems: Problems) -> None:
    """Editors jump to it."""
    (problem,) = problems("from damnit_ctx import (\n    Cell,\n    Skipp, Variable,\n)\n")

    assert (problem.line, problem.column) == (3, 5)
    assert str(problem).endswith("damnit_ctx has no Skipp. Did you mean 'Skip'?")


def test_a_file_may_ask_whether_there_is_a_word(loaded: Loaded) -> None:
    """Some do, to work with an older DAMNIT as well."""
    context = loaded(
        """
        import damnit_ctx
        from damnit_ctx import Variable

        try:
            from damnit_ctx import Future
        except ImportError:
            Future = None

        assert not hasattr(damnit_ctx, "Future")

        @Variable
        def there(run): return 1
        """
    )

    assert columns(context) == ["there"]


# What a function is given


def test_the_first_parameter_is_the_run_whatever_it_looks_like(loaded: Loaded) -> None:
    """DAMNIT gives it by position and looks at nothing."""
    context = loaded(
        """
        from damnit_ctx import Variable

        @Variable
        def named(anything): return 1

        @Variable
        def typed(x: "some text"): return 1

        @Variable
        def defaulted(run=None, scale=2): return 1

        @Variable
        def packed(*args): return 1

        @Variable
        def loose(run, n: "var# named "): return n
        """
    )

    formulas = context.tables["runs"].formulas
    for formula in formulas.values():
        assert (formula.inputs[0].kind, formula.inputs[0].keyword) == ("data", False)
    assert context.tables["runs"].description.variable("loose").reads == ("named",)


def test_what_is_not_there_is_left_out_of_a_pattern(filled: Filled) -> None:
    """One that failed costs the others nothing; without any the reader is blocked by them."""
    results = filled(
        """
        from damnit_ctx import Skip, Variable

        @Variable
        def xgm_a(run): return 1

        @Variable
        def xgm_b(run): raise ValueError("dark")

        @Variable
        def xgm_c(run): return None

        @Variable
        def seen(run, all_of_them: "var#xgm_?"): return list(all_of_them)

        @Variable
        def one(run, all_of_them: "var#xgm_[a]"): return all_of_them

        @Variable
        def lost(run, all_of_them: "var#xgm_b*"): return list(all_of_them)

        @Variable
        def kept(run, all_of_them: "var#xgm_b*" = "nothing"): return all_of_them
        """
    )

    assert values(results)["seen"] == ["xgm_a"]
    assert values(results)["one"] == {"xgm_a": 1}
    assert values(results)["kept"] == "nothing"
    assert results["lost"].outcome == "blocked"
    assert results["lost"].problem is not None
    assert "dark" in results["lost"].problem.message


def test_a_pattern_that_nothing_matches_is_a_problem(problems: Problems) -> None:
    """Most likely it was misspelt."""
    (problem,) = problems(
        """
        from damnit_ctx import Variable

        @Variable
        def total(run, all_of_them: "var#nothing_*"): return 1
        """
    )

    assert (problem.line, "'var#nothing_*', which is not there" in problem.message) == (5, True)


def test_variables_of_one_run_share_what_the_file_keeps(filled: Filled) -> None:
    """All context files of beamtimes do it, since one function gives one value."""
    results = filled(
        """
        from damnit_ctx import Variable

        RESULTS = None
        CACHE = {}

        if __name__ == "__main__":
            raise SystemExit("not when it is loaded")

        print("loading", __file__)

        @Variable(transient=True)
        def pipeline(run, number: "meta#run_number", path: "meta#proposal_path" = None):
            global RESULTS
            RESULTS = {"plot": number}
            CACHE[number] = [number]
            return object()

        @Variable
        def plot(run, _: "var#pipeline"):
            return RESULTS["plot"] + CACHE[3][0]

        @Variable
        def given(run, x: "input#x" = 1, y: "param#y" = 2):
            return x + y
        """
    )

    assert values(results) == {"plot": 6, "given": 3}


def test_a_missing_parameter_skips_the_variable_with_a_reason(filled: Filled) -> None:
    """DAMNIT leaves it out without a word."""
    results = filled(
        """
        from damnit_ctx import Variable

        @Variable
        def scaled(run, factor: "param#factor"): return factor
        """
    )

    assert results["scaled"].outcome == "skipped"
    assert results["scaled"].problem is not None
    assert "factor has no value" in results["scaled"].problem.message


def test_empty_words_are_as_if_left_out(loaded: Loaded) -> None:
    """DAMNIT takes them; a column needs a header all the same."""
    context = loaded(
        """
        from damnit_ctx import Variable

        @Variable("", description="", tags=[])
        def hits(run):
            "How many."
            return 1

        assert hits.func(None) == 1
        """
    )

    hits = context.tables["runs"].description.variable("hits")
    assert (hits.title, hits.description) == ("Hits", "How many.")
