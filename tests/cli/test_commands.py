"""What each command does, in processes of their own on a real embedded server."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell


def rows_of(knockoff: Shell, *words: str) -> list[dict[str, Any]]:
    """The table as a program reads it."""
    done = knockoff("runs", "--json", *words)
    assert done.status == 0, done.said
    rows: list[dict[str, Any]] = json.loads(done.out)
    return rows


def test_process_fills_the_table(knockoff: Shell) -> None:
    """One command takes runs on disk to values that a program can read."""
    rows = rows_of(knockoff)
    assert [row["run"] for row in rows] == [1, 2, 3]
    assert [row["trains"] for row in rows] == [8, 8, 8]
    assert all(row["hits"] == 0 and row["energy"] > 100 for row in rows)


def test_json_says_why_a_cell_is_empty(knockoff: Shell) -> None:
    """A program must tell a value that is not there from one that failed."""
    states = rows_of(knockoff)[2]["states"]
    assert states["dark"] == {"state": "skipped", "reason": "shutter was open"}
    assert states["broken"]["state"] == "failed"
    assert states["broken"]["kind"] == "KeyError"
    assert states["late"] == {"state": "waiting for proc"}
    assert "trains" not in states


def test_the_table_fits_eighty_columns_and_says_what_it_leaves_out(knockoff: Shell) -> None:
    """Lines that wrap cannot be read; columns left out in silence are lost."""
    done = knockoff("runs", COLUMNS="50")
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 50
    assert "Trains" in done.out
    assert "broken" in done.said
    assert "more column" in done.said
    whole = knockoff("runs", "--columns", "all", COLUMNS="50")
    assert "KeyError" in whole.out
    assert "more column" not in whole.said


def test_empty_cells_say_why_in_a_few_words(knockoff: Shell) -> None:
    """The reason is what somebody at the beamline acts on."""
    out = knockoff("runs", "--columns", "dark,broken,late", COLUMNS="120").out
    third = out.splitlines()[-1]
    assert "skipped" in third
    assert "✗ KeyError" in third
    assert "⋯ proc" in third or "waiting for proc" in third


def test_a_plain_terminal_gets_ascii(knockoff: Shell) -> None:
    """Under LANG=C other signs are garbage on the screen."""
    done = knockoff.apart(
        "runs", "--columns", "all", LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii"
    )
    assert done.status == 0
    assert done.out.isascii()
    assert "x KeyError" in done.out


def test_csv_has_names_and_full_values(knockoff: Shell) -> None:
    """Spreadsheets and pandas take it as it is."""
    done = knockoff("runs", "--csv", "--columns", "trains,energy,broken")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert list(rows[0]) == ["run", "trains", "energy", "broken"]
    assert float(rows[0]["energy"]) == rows_of(knockoff)[0]["energy"]
    assert rows[0]["broken"] == ""


def test_markdown_is_a_table(knockoff: Shell) -> None:
    """Electronic logbooks take Markdown."""
    lines = knockoff("runs", "--markdown", "--columns", "trains").out.splitlines()
    assert lines[:3] == ["| Run | Trains |", "| ---: | ---: |", "| 1 | 8 |"]


def test_where_and_sort_pick_and_order_runs(knockoff: Shell) -> None:
    """Both take titles as well as fields."""
    rows = rows_of(knockoff, "--where", "run > 1 and broken is failed", "--sort", "-Pulse energy")
    assert {row["run"] for row in rows} == {2, 3}
    assert rows[0]["energy"] >= rows[1]["energy"]


def test_show_has_the_reason_and_its_line(knockoff: Shell) -> None:
    """What failed is told with the line of the context file."""
    done = knockoff("show", "1")
    assert "p1234 r0001" in done.out
    assert "KeyError" in done.out
    assert 'return {}["nothing"]' in done.out
    shown = json.loads(knockoff("show", "1", "--json").out)
    assert shown["tables"]["runs"]["trains"] == 8
    assert shown["tables"]["runs"]["arrays"]["energy"]["shape"] == [8, 4]


def test_a_comment_is_shown_and_taken_away(knockoff: Shell) -> None:
    """Words need no quotes; an empty text removes them."""
    assert knockoff("comment", "2", "knife", "edge").status == 0
    assert rows_of(knockoff)[1]["comment"] == "knife edge"
    assert "knife edge" in knockoff("runs").out
    knockoff("comment", "2", "")
    assert rows_of(knockoff)[1]["comment"] is None


def test_setting_a_field_makes_what_depends_on_it_due(knockoff: Shell) -> None:
    """A person's edit is an event: `process` computes what it made due, and only that."""
    assert knockoff("set", "1", "threshold", "-1.5").status == 0
    assert knockoff("process", "1").status == 0
    row = rows_of(knockoff)[0]
    assert (row["threshold"], row["hits"]) == (-1.5, 32)
    assert knockoff("set", "1", "threshold", "1e6").status == 0
    assert knockoff("process", "1").status == 0
    assert rows_of(knockoff)[0]["hits"] == 0


def test_process_tells_programs_what_failed(knockoff: Shell) -> None:
    """Errors in cells are data, not a failure of the command."""
    done = knockoff("process", "2,3", "--json")
    assert done.status == 0
    assert json.loads(done.out) == [
        {"proposal": 1234, "run": run, "failed": ["broken"]} for run in (2, 3)
    ]


def test_process_says_in_which_runs_what_failed(knockoff: Shell) -> None:
    """Of twenty variables in a hundred runs, one looks for the one that is wrong."""
    said = knockoff("process", "1-3").said
    assert "Failed: broken in runs 1-3." in said
    assert "`knockoff show RUN` says why." in said


def test_process_goes_on_past_a_run_that_is_not_there(knockoff: Shell) -> None:
    """One missing run of a hundred must not cost the others."""
    done = knockoff("process", "1-2", "40")
    assert done.status == 1
    assert "p1234 r0040 has no raw data" in done.said
    assert "2 of 3 runs" in done.said


def test_plots_are_files_that_stand_alone(knockoff: Shell, tmp_path: Path) -> None:
    """They are sent by mail and opened without a network."""
    for words in (("1", "energy"), ("1", "strongest"), ("run", "energy")):
        file = tmp_path / f"{'-'.join(words)}.html"
        done = knockoff("plot", *words, "--output", str(file))
        assert (done.status, done.out.strip()) == (0, str(file)), done.said[-500:]
        assert "<script" in file.read_text()


def test_doctor_has_a_line_for_each_thing(knockoff: Shell) -> None:
    """A broker that does not answer is a warning: `process` works without."""
    done = knockoff("doctor", "--json", KNOCKOFF_KAFKA__BROKERS="127.0.0.1:9")
    found = {each["about"]: each["verdict"] for each in json.loads(done.out)}
    assert found.pop("broker") == "warning"
    assert found.pop("disk") in ("ok", "warning")
    assert found == dict.fromkeys(
        (
            *("workspace", "permissions", "data", "limits", "interpreter", "sandbox"),
            *("context file", "server"),
        ),
        "ok",
    )
    assert done.status == 0


def test_doctor_ends_with_one_on_a_problem_and_names_the_remedy(knockoff: Shell) -> None:
    """A monitoring script looks at the status alone."""
    done = knockoff("doctor", KNOCKOFF_DATA_ROOT="/nowhere", KNOCKOFF_KAFKA__BROKERS="127.0.0.1:9")
    assert done.status == 1
    assert "problem" in done.out
    assert "KNOCKOFF_DATA_ROOT" in done.out


def test_context_check_lists_columns_or_problems(knockoff: Shell, tmp_path: Path) -> None:
    """Before a shift one wants to know that the file loads."""
    good = knockoff("context", "check")
    assert good.status == 0
    assert "hits" in good.out
    assert "reads energy, threshold" in good.out
    bad = tmp_path / "bad.py"
    bad.write_text("import knockoff\ndef broken(:\n")
    done = knockoff("context", "check", str(bad))
    assert done.status == 1
    assert f"{bad}:2" in done.out
    assert json.loads(knockoff("context", "check", str(bad), "--json").out)["problems"]


def test_every_template_can_be_begun_from(knockoff: Shell, tmp_path: Path) -> None:
    """What `context new` writes is a good context file."""
    file = tmp_path / "mine.py"
    assert knockoff("context", "new", "sa2", "-o", str(file)).status == 0
    assert knockoff("context", "check", str(file)).status == 0
    again = knockoff("context", "new", "sa2", "-o", str(file))
    assert again.status == 1
    assert "cannot be written" in again.said
    assert "Did you mean 'sa2'" in knockoff("context", "new", "sa22").said


def test_the_prompt_without_mongosh_reads_the_table(knockoff: Shell) -> None:
    """Where mongosh is not installed, a look by hand is possible all the same."""
    done = knockoff.apart(
        "db",
        "shell",
        typed="print(db.runs.count_documents({}))\nprint(len(wait(Runs.find().to_list())))\n",
        PATH="/usr/bin:/bin",
    )
    assert done.status == 0, done.said
    assert done.out.replace(">>>", "").split() == ["3", "3"]


def test_the_server_says_where_it_is(knockoff: Shell) -> None:
    """Compass takes the address as it is printed."""
    uri = knockoff("db", "uri").out.strip()
    status = json.loads(knockoff("db", "status", "--json").out)
    assert uri.startswith("mongodb://")
    assert (status["running"], status["kept"], status["uri"]) == (True, True, uri)
    assert not status["started_by"].startswith("of ")


def test_global_options_may_stand_behind_the_command(knockoff: Shell, tmp_path: Path) -> None:
    """Nobody remembers which option goes where."""
    elsewhere = replace(knockoff, folder=tmp_path)
    folder = str(knockoff.folder)
    assert elsewhere("-w", folder, "context", "show").out.startswith("\nfrom typing")
    assert elsewhere("context", "show", "-w", folder).status == 0
    assert elsewhere("context", "show", "-w", folder, "-p", "77").status == 1
