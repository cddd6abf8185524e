"""A context file is run and its tables are found, or every reason why not is told."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

import knockoff
from knockoff.contextfile.loading import load
from knockoff.contextfile.problems import ContextProblems, Problem
from knockoff.runs.described import read_description

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.loading import Context

    Loaded = Callable[[str], Context]
    Problems = Callable[[str], tuple[Problem, ...]]

FIVE_LINES = """
    from typing import Annotated
    from extra_data import DataCollection
    from knockoff import Run, Variable

    class Runs(Run):
        def trains(self, data: DataCollection) -> Annotated[int, Variable]:
            '''Number of trains in the run.'''
            return len(data.train_ids)
    """


def test_the_five_lines_are_a_table_with_a_column(loaded: Loaded) -> None:
    """They are what everybody starts with."""
    description = loaded(FIVE_LINES).tables["runs"].description

    assert (description.name, description.collection) == ("Runs", "runs")
    (trains,) = description.variables
    assert (trains.name, trains.title, trains.type) == ("trains", "Trains", "int")
    assert trains.description == "Number of trains in the run."
    assert (trains.data, trains.direction, trains.events) == ("raw", "after", ("Insert", "Update"))
    assert trains.line == 7


def test_annotations_may_be_text(loaded: Loaded) -> None:
    """``from __future__ import annotations`` loses neither variables nor their inputs."""
    context = loaded("from __future__ import annotations\n" + dedent(FIVE_LINES))

    (given,) = context.tables["runs"].formulas["trains"].inputs
    assert (given.parameter, given.kind) == ("data", "data")


def test_a_file_of_functions_is_one_table_called_runs(loaded: Loaded) -> None:
    """That is how a DAMNIT file is written, which loads unchanged, by its own import too."""
    context = loaded(
        """
        from damnit_ctx import Cell, Skip, Variable

        @Variable(title="Trains", summary="mean", data="raw", tags="run")
        def n_trains(run, number: "meta#run_number"):
            return len(run.train_ids)

        @Variable
        def twice(run, n: "var#n_trains"):
            return Cell(2 * n)
        """
    )

    assert list(context.tables) == ["runs"]
    assert list(context.tables["runs"].formulas) == ["n_trains", "twice"]
    assert context.tables["runs"].description.variable("twice").reads == ("n_trains",)
    assert "damnit_ctx" not in sys.modules


def test_a_damnit_file_may_call_a_column_like_a_document_method(loaded: Loaded) -> None:
    """It was written without a thought of Beanie."""
    context = loaded(
        """
        from damnit_ctx import Variable

        @Variable
        def count(run):
            return 1
        """
    )

    assert list(context.tables["runs"].formulas) == ["count"]


def test_each_class_is_a_table_of_its_own(loaded: Loaded) -> None:
    """The collection is called like the class, unless its Settings say otherwise."""
    context = loaded(
        """
        from knockoff import Run, Variable

        class SpectrumRuns(Run):
            @Variable
            def peak(self, data) -> float:
                return 1.0

        class Calibration(Run):
            @Variable
            def offset(self, data) -> float:
                return 1.0

            class Settings:
                name = "calib"
                indexes = ["run", [("offset", -1)]]
        """
    )

    assert list(context.tables) == ["spectrum_runs", "calib"]
    indexes = context.tables["calib"].description.indexes
    assert [index.keys for index in indexes] == [(("run", 1),), (("offset", -1),)]


def test_modules_beside_the_file_can_be_imported(loaded: Loaded, folder: Path) -> None:
    """A context file that grows is split, and reads files that lie beside it."""
    (folder / "beside_the_context.py").write_text("FACTOR = 3\n")
    context = loaded(
        """
        from pathlib import Path
        from beside_the_context import FACTOR
        from knockoff import Run, Variable

        HERE = Path(__file__).parent

        class Runs(Run):
            @Variable
            def factor(self, data) -> int:
                return FACTOR
        """
    )

    factor = context.tables["runs"].formulas["factor"]
    assert factor.function(None, None) == 3
    assert factor.function.__globals__["HERE"] == folder


def test_a_description_survives_json(loaded: Loaded) -> None:
    """It is all that the recorder ever gets to see of the file."""
    description = loaded(FIVE_LINES).description

    assert read_description(json.loads(json.dumps(description.to_json()))) == description


def test_the_standard_library_alone_loads_a_file_of_every_style(folder: Path) -> None:
    """Whoever computes with an old environment of their own has neither Beanie nor Pydantic."""
    (folder / "context.py").write_text(
        dedent(
            """
            from typing import Annotated
            from knockoff import Editable, Group, Insert, Run, Update, Variable, after_event

            @Group
            class Twice:
                of: float = 2.0

                @Variable
                def value(self) -> float:
                    return self.of

            class Runs(Run):
                twice = Twice()
                limit: Annotated[int, Editable] = 3
                label: str

                def trains(self, data) -> Annotated[int, Variable]:
                    return 1

                @after_event(Insert, Update)
                def name_it(self):
                    self.label = f"{self.trains} of {self.limit}"
            """
        )
    )
    (folder / "path").mkdir()
    (folder / "path" / "knockoff").symlink_to(Path(knockoff.__file__).parent)
    check = (
        "import sys; from pathlib import Path; from knockoff.contextfile.loading import load;"
        "print(*load(Path(sys.argv[1])).tables['runs'].formulas)"
    )

    run = subprocess.run(
        [sys.executable, "-S", "-c", check, folder / "context.py"],
        env={"PYTHONPATH": str(folder / "path"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stderr == ""
    assert run.stdout.split() == ["trains", "twice.value", "name_it"]


# What is wrong is told with its place


def test_a_syntax_error_is_told_with_line_and_column(problems: Problems) -> None:
    """So that an editor can jump there."""
    (problem,) = problems("x = 1\nclass Runs(Run:\n    pass\n")

    assert problem.line == 2
    assert problem.column > 0
    assert problem.message.startswith("SyntaxError: ")


def test_what_raises_at_the_top_is_told_with_its_line(problems: Problems) -> None:
    """The line in the context file, not the one deep inside a library."""
    (problem,) = problems("import json\n\nLIMITS = json.loads('{')\n")

    assert problem.line == 3
    assert "JSONDecodeError" in problem.message


def test_leaving_the_interpreter_is_a_problem_of_the_file(problems: Problems) -> None:
    """A script that somebody made a context file of must not end the listener."""
    (problem,) = problems("import sys\nsys.exit(3)\n")

    assert (problem.line, problem.message) == (2, "SystemExit: 3")


def test_a_missing_module_is_told_with_a_remedy(problems: Problems) -> None:
    """The commonest mistake after a misspelt name."""
    (problem,) = problems("import not_a_module_of_anyone\n")

    assert problem.line == 1
    assert "Install 'not_a_module_of_anyone'" in problem.remedy


@pytest.mark.parametrize("home", ["knockoff", "damnit_ctx"])
def test_a_group_that_is_derived_from_group_is_told_what_to_write(
    problems: Problems, home: str
) -> None:
    """It reads like a class, as `Run` is one; Python alone speaks of code objects."""
    (problem,) = problems(f"""
from {home} import Group, Variable

class Gas(Group):
    device: str

    @Variable
    def energy(self, run):
        return 1

gas = Gas(device="x")
""")

    assert (problem.line, problem.message) == (4, "Group is no class to derive from.")
    assert "@Group in the line above" in problem.remedy


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    """With its path, since it may come from a setting."""
    with pytest.raises(ContextProblems, match=r"nothing\.py: cannot be read: No such file"):
        load(tmp_path / "nothing.py")


def test_a_file_without_variables_says_how_to_begin(problems: Problems) -> None:
    """An empty table is never what anybody wanted."""
    (problem,) = problems("from knockoff import Run\n")

    assert "no variable" in problem.message
    assert "knockoff.Run" in problem.remedy


def test_a_variable_beside_a_class_says_where_it_belongs(problems: Problems) -> None:
    """Else it would be left out without a word."""
    (problem,) = problems(
        """
        from knockoff import Run, Variable

        class Runs(Run):
            @Variable
            def trains(self, data) -> int:
                return 1

        @Variable
        def lost(data) -> int:
            return 1
        """
    )

    assert "'lost'" in problem.message
    assert "Move it into Runs" in problem.remedy


def test_two_tables_of_one_name_are_refused(problems: Problems) -> None:
    """They would overwrite each other's rows."""
    (problem,) = problems(
        """
        from knockoff import Run, Variable

        class Runs(Run):
            @Variable
            def one(self, data) -> int:
                return 1

        class Again(Run):
            @Variable
            def two(self, data) -> int:
                return 2

            class Settings:
                name = "runs"
        """
    )

    assert "'runs' of Again is taken" in problem.message


@pytest.mark.parametrize("name", ["count", "insert", "run", "proposal", "id", "key", "comment"])
def test_a_name_that_documents_have_is_refused(problems: Problems, name: str) -> None:
    """The column would hide what Beanie or knockoff needs, or the other way round."""
    (problem,) = problems(
        f"""
        from knockoff import Run, Variable

        class Runs(Run):
            @Variable
            def {name}(self, data) -> int:
                return 1
        """
    )

    assert f"{name!r}" in problem.message
    assert f"{name}_of_run" in problem.remedy
    assert problem.line == 6


def test_a_field_cannot_have_such_a_name_either(problems: Problems) -> None:
    """It would take the place of the method on every document."""
    (problem,) = problems(
        """
        from knockoff import Run, Variable

        class Runs(Run):
            count: int = 3
            comment: str = "nothing yet"

            @Variable
            def hits(self, data) -> int:
                return 1
        """
    )

    assert "'count'" in problem.message


def test_every_problem_is_told_at_once(problems: Problems) -> None:
    """Nobody should have to start five times to hear of five mistakes."""
    found = problems(
        """
        from typing import Annotated
        from knockoff import Run, Variable

        class Runs(Run):
            @Variable
            def trains(self, data) -> int:
                return 1

            @Variable(title="Trains")
            def again(self, x: Annotated[int, "var#trians"]) -> int:
                return x

            @Variable
            def third(self, x: Annotated[int, "vars#trains"], y: Annotated[int, "meta#rum"]) -> int:
                return x
        """
    )

    told = " ".join(map(str, found))
    assert len(found) == 4
    assert "'var#trians', which is not there. Did you mean 'trains'?" in told
    assert "same title 'Trains'" in told
    assert "unknown mark 'vars#'" in told
    assert "'meta#rum'" in told
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


RUNS = """
from enum import Enum
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from knockoff import Editable, Group, Run, Variable
from pydantic import Field

@Group
class Xgm:
    @Variable
    def energy(self, data) -> float:
        return 1.0

class Runs(Run):
    @Variable
    def trains(self, data) -> int:
        return 1

    {member}
"""


@pytest.mark.parametrize(
    ("member", "message", "line"),
    [
        ("xgm = Xgm(name='trains')", "lie inside of trains", 18),
        ("xgm = Xgm(name='knockoff')", "called 'knockoff'", 18),
        ("xgm = Xgm(name='_id')", "called '_id'", 18),
        ("xgm = Xgm(name='run.x')", "called 'run'", 18),
        ("xgm = Xgm(name='a$b')", "called 'a$b'", 18),
        ("_p = Variable(lambda self, data: 1)", "called '_p'", 18),
        ("@Variable\n    @staticmethod\n    def x(data): return 1", "Remove @staticmethod", 18),
        ("@Variable()\n    @classmethod\n    def x(cls, data): return 1", "@classmethod", 18),
        ("@staticmethod\n    @Variable\n    def x(data): return 1", "Remove @staticmethod", 18),
        ("@property\n    @Variable\n    def x(self): return 1", "Remove @property", 18),
        ("@Variable\n    @property\n    def x(self): return 1", "Remove @property", 18),
        (
            "@property\n    def x(self) -> Annotated[int, Variable]: return 1",
            "reading self.x gives the value anyway",
            18,
        ),
        ("x = 3", "Write x: float = … for a field", 18),
        ("comment = 'none'", "comment = … has no type", 18),
        ("x = Annotated[float, Editable]", "Write x: Annotated[…, Editable], with a colon", 13),
        ("x: Annotated[float, Editable] = 'abc'", "x starts as 'abc'", 18),
        ("x: Annotated[float, Editable, Field(ge=0)] = -1.0", "x starts as -1.0", 18),
        ("x: Annotated[float, Editable] = Field(-1.0, ge=0)", "x starts as -1.0", 18),
    ],
)
def test_a_word_in_the_wrong_place_is_told_with_its_line(
    problems: Problems, member: str, message: str, line: int
) -> None:
    """Else a column would vanish, lose its value, or fail in the middle of the night."""
    found = problems(RUNS.strip().replace("{member}", member))

    assert message in str(found[0])
    assert found[0].line == line
    assert found[0].remedy


def test_a_group_has_no_fields_for_people(problems: Problems) -> None:
    """It would silently be a constant that nobody can type."""
    (problem,) = problems(
        RUNS.strip()
        .replace("{member}", "")
        .replace("class Xgm:", "class Xgm:\n    x: Annotated[float, Editable] = 1.0")
    )

    assert "Xgm.x is Editable" in problem.message
    assert "Move it into the run class" in problem.remedy
    assert problem.line


def test_what_nobody_thought_of_is_a_problem_of_its_class(problems: Problems) -> None:
    """The worker lives, and says which class it was."""
    (problem,) = problems(RUNS.strip().replace("{member}", "class Settings:\n        indexes = 3"))

    assert "Runs cannot be put together: TypeError" in problem.message
    assert problem.line == 13


def test_defaults_and_limits_are_described_in_plain_data(loaded: Loaded) -> None:
    """The row begins with what a method would read, and people keep to the limits."""
    members = """
    class Kind(Enum):
        POWDER = "powder"

    kind: Annotated[Kind, Editable] = Kind.POWDER
    day: Annotated[date, Editable] = date(2026, 5, 4)
    moment: Annotated[datetime, Editable] = datetime(2026, 5, 4, 10)
    gain: Annotated[int | None, Editable, Field(ge=0, lt=9)] = None
    level: Annotated[float, Editable] = Field(0.5, gt=0)
    """
    description = loaded(RUNS.replace("{member}", members.strip())).tables["runs"].description
    fields = {each.name: each for each in description.fields}

    json.dumps(description.fields[0].default)
    assert fields["kind"].default == "powder"
    assert fields["day"].stored_default == "2026-05-04"
    assert fields["moment"].default == "2026-05-04T10:00:00"
    assert fields["moment"].stored_default == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert fields["gain"].schema["anyOf"][0] == {
        "type": "integer",
        "minimum": 0,
        "exclusiveMaximum": 9,
    }
    assert fields["level"].schema == {"type": "number", "exclusiveMinimum": 0}


def test_a_model_that_has_no_schema_is_a_type_like_any_other(
    loaded: Callable[[str], Context],
) -> None:
    """With an array in it Pydantic cannot describe it; the hook that fills it can all the same."""
    context = loaded("""
import numpy as np
from pydantic import BaseModel, ConfigDict
from knockoff import Insert, Run, after_event

class Frame(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    image: np.ndarray | None = None

class Runs(Run):
    frame: Frame | None = None

    @after_event(Insert)
    def fill(self):
        self.frame = Frame()
""")

    (field,) = context.description.tables[0].fields
    assert field.schema == {"anyOf": [{}, {"type": "null"}]}


def test_a_refused_argument_does_not_hide_what_else_is_wrong(problems: Problems) -> None:
    """Otherwise each mended mistake would bring up the next ones, at 3 a.m."""
    found = problems("""
        from knockoff import Run, Variable

        class Runs(Run):
            @Variable(data="cooked")
            def a(self) -> int:
                return 1

            @Variable("B", uints="mm")
            def b(self, x: "var#nope") -> int:
                return x

            @Variable(data="raw")
            def c(self, late: "var#late") -> int:
                return late

            @Variable(data="proc")
            def late(self) -> int:
                return 1
        """)

    assert [(each.line, each.message.partition(",")[0]) for each in found] == [
        (5, "ValueError: data must be 'raw' or 'proc'"),
        (9, "Variable has no argument 'uints'."),
        (10, "b asks for 'var#nope'"),
        (13, "c has data='raw' but reads late"),
    ]
