"""Programs that variables launch: they outlive everything of ours, and fill their cells."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.database.owners import owner_of
from knockoff.database.rows import RowChange, RowMissingError, change_row
from knockoff.engine.launching import Launcher
from knockoff.filling.sections import launched_log_name
from knockoff.recording.atwork import ProgramAtWorkError
from knockoff.recording.cancelling import cancel
from knockoff.recording.deleting import delete_column, delete_run
from knockoff.recording.dueness import Wish, plan
from knockoff.recording.opening import launcher_of, open_recorder
from knockoff.recording.outside import look_after, waiting_in
from knockoff.recording.resetting import Choice, reset
from knockoff.recording.runlogs import RunLog
from knockoff.recording.submission import Submission, SubmitError
from knockoff.recording.submitcall import submit_to
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from knockoff.database.client import Database
    from knockoff.recording.recorder import Recorder
    from knockoff.workspace import Workspace

SUBMIT = "$KNOCKOFF_PYTHON -m knockoff submit $KNOCKOFF_RUN $KNOCKOFF_VARIABLE"

WAITS = f"""
import os
from pathlib import Path
from knockoff import Run, Variable, launch

class Runs(Run):
    @Variable
    def fit(self) -> float:
        (Path(__file__).parent / "zygote.txt").write_text(str(os.getppid()))
        launch("echo $$ >> programs.txt; until [ -e go ]; do sleep 0.05; done; "
               "{SUBMIT} --value 7.5")

    @Variable
    def double(self) -> float:
        return 2 * self.fit

    @Variable
    def other(self) -> int:
        with (Path(__file__).parent / "other.txt").open("a") as file:
            file.write("x")
        return 1
"""


def context_with(command: str, more: str = "") -> str:
    return f"""
from knockoff import Run, Variable, launch

class Runs(Run):
    @Variable
    def fit(self) -> float:
        launch({command!r})
{more}
"""


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Whatever a test has launched ends with it."""
    yield
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name != str(os.getpid()):
            with suppress(OSError):
                if str(tmp_path).encode() in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)


async def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, when it does."""
    async with asyncio.timeout(30):
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.05)


def key_of(recorder: Recorder, run: int = 4) -> RunKey:
    return RunKey(int(recorder.database.name[1:]), run)


async def processed(recorder: Recorder, run: int = 4) -> dict[str, Any]:
    await recorder.record(key_of(recorder, run), "raw")
    await recorder.work_off([f"runs/{run}/raw"])
    return await row_of(recorder.database, run)


async def row_of(database: Database, run: int = 4) -> dict[str, Any]:
    row: Any = await database.runs.find_one({"run": run})
    return dict(row)


def states(row: dict[str, Any]) -> dict[str, str]:
    return {name: each["state"] for name, each in row["knockoff"].get("problems", {}).items()}


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def numbers_in(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def waiters_of(workspace: Workspace) -> list[int]:
    """The processes that start programs of a workspace, or watch over them."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if (
                process.name.isdigit()
                and b"knockoff.engine.waiter" in ((process / "cmdline").read_bytes())
                and str(workspace.folder).encode() in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
    return found


@contextmanager
def started_by_somebody_else(workspace: Workspace, attempt: str) -> Iterator[None]:
    """Hold what a program's log is locked by while it is started, as on a very slow disk."""
    workspace.logs_folder.mkdir(exist_ok=True)
    name = launched_log_name(workspace.proposal, 4, "runs", "fit", attempt)
    with (workspace.logs_folder / name).open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        yield


@pytest.fixture
async def recorder(make_workspace: Callable[[str], Workspace]) -> AsyncIterator[Recorder]:
    workspace = make_workspace(WAITS)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        yield recorder


def folder_of(recorder: Recorder) -> Path:
    path = recorder.context.tables.context.path
    return Path(path).parent


async def test_a_launched_program_outlives_worker_and_zygote_and_fills_its_cell(
    recorder: Recorder,
) -> None:
    """It may take hours, while workers end after every run and are killed for other reasons."""
    row = await processed(recorder)
    assert states(row) == {"fit": "waiting for outside", "double": "waiting for outside"}
    about = row["knockoff"]["problems"]["fit"]["outside"]
    assert about["pid"] > 0
    assert row["other"] == 1
    folder = folder_of(recorder)
    (program,) = await eventually(lambda: numbers_in(folder / "programs.txt"))

    os.kill(int((folder / "zygote.txt").read_text()), signal.SIGKILL)
    await processed(recorder, 5)  # by another zygote
    assert is_alive(program)

    (folder / "go").touch()

    async def filled() -> bool:
        return (await row_of(recorder.database)).get("fit") == 7.5

    await eventually(filled)
    row = await row_of(recorder.database)
    assert states(row) == {"double": "waiting for outside"}
    await recorder.work_off(["runs/4/edit"])
    row = await row_of(recorder.database)
    assert (row["fit"], row["double"], row["other"]) == (7.5, 15, 1)
    assert "problems" not in row["knockoff"]
    assert (folder / "other.txt").read_text() == "xx"  # once for each run


KILLED = """
import asyncio, sys
from pathlib import Path
from knockoff.recording.opening import open_recorder
from knockoff.runkey import RunKey
from knockoff.workspace import Workspace

async def main():
    workspace = Workspace.open(Path(sys.argv[1]))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.record(RunKey(workspace.proposal, 4), "raw")
        await recorder.work_off(["runs/4/raw"])
        print("done", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_launched_program_outlives_a_killed_listener_which_finds_its_cell_waiting(
    make_workspace: Callable[[str], Workspace], plain: Callable[[Workspace], Database]
) -> None:
    """Listeners are restarted; the batch system is not told."""
    workspace = make_workspace(WAITS)
    with subprocess.Popen(  # noqa: ASYNC220  # it is there at once
        [sys.executable, "-c", KILLED, str(workspace.folder)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as listener:
        assert listener.stdout is not None
        assert await asyncio.to_thread(listener.stdout.readline) == b"done\n"
        os.killpg(listener.pid, signal.SIGKILL)
    (program,) = await eventually(lambda: numbers_in(workspace.folder / "programs.txt"))
    assert is_alive(program)

    async with open_recorder(workspace, workspace.settings()) as recorder:
        await recorder.work_off(await recorder.ask_again(key_of(recorder)))
        await look_after(recorder.database, recorder.tables.context, _launcher(workspace))
        row = await row_of(plain(workspace))
        assert states(row) == {"fit": "waiting for outside", "double": "waiting for outside"}
        assert numbers_in(workspace.folder / "programs.txt") == [program]
        (workspace.folder / "go").touch()

        async def filled() -> bool:
            return (await row_of(recorder.database)).get("fit") == 7.5

        await eventually(filled)


async def test_what_a_program_leaves_in_the_background_is_waited_for(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """A daemon that forks twice is still this cell's program, although its command has ended."""
    command = (
        f"setsid sh -c '(until [ -e go ]; do sleep 0.05; done; {SUBMIT} --value 3) &' & exit 0"
    )
    workspace = make_workspace(context_with(command))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        assert states(await processed(recorder)) == {"fit": "waiting for outside"}
        (workspace.folder / "go").touch()

        async def filled() -> bool:
            return (await row_of(recorder.database)).get("fit") == 3

        await eventually(filled)


async def test_what_is_started_without_launch_ends_with_its_worker(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """Only who says so leaves something behind; a forgotten daemon costs memory all night."""
    context = """
import subprocess
from pathlib import Path
from knockoff import Run, Variable, launch

class Runs(Run):
    @Variable
    def daemon(self) -> int:
        subprocess.Popen(["sh", "-c", "echo $$ > daemon.txt; exec sleep 600"],
                         start_new_session=True)
        here = Path(__file__).parent / "daemon.txt"
        while not (here.exists() and here.read_text()):
            pass
        return 1

    @Variable
    def fit(self) -> float:
        launch("echo $$ > program.txt; exec sleep 600")
"""
    workspace = make_workspace(context)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        row = await processed(recorder)
        assert row["daemon"] == 1
        (daemon,) = numbers_in(workspace.folder / "daemon.txt")
        await eventually(lambda: not is_alive(daemon))
        (program,) = await eventually(lambda: numbers_in(workspace.folder / "program.txt"))
        assert is_alive(program)


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        ("echo gone wrong; exit 3", "ProgramEnded", "ended with exit status 3: gone wrong"),
        ("true", "ProgramEnded", "ended with exit status 0, and had not submitted a value"),
        ("kill -9 $$", "ProgramEnded", "was ended by SIGKILL"),
        (["./not-there", "42"], "LaunchError", "`./not-there 42` could not be launched: No such"),
    ],
)
async def test_a_program_that_ends_without_a_value_says_so_in_its_cell(
    make_workspace: Callable[[str], Workspace], command: Any, kind: str, said: str
) -> None:
    """Else the cell would wait for ever."""
    workspace = make_workspace(context_with(command))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await processed(recorder)

        async def failed() -> Any:
            row = await row_of(recorder.database)
            problem = row["knockoff"].get("problems", {}).get("fit", {})
            return problem if problem.get("state") == "failed" else None

        problem = await eventually(failed)
        assert problem["kind"] == kind
        assert said in problem["message"]
        assert not await waiting_in(recorder.database, ["runs"])


async def test_a_batch_job_is_waited_for_when_its_command_has_ended(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """`sbatch` ends at once, and that is not the end of the job that it has submitted."""
    workspace = make_workspace(context_with("echo Submitted batch job 123"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await processed(recorder)

        async def waits() -> Any:
            return [each for each in await waiting_in(recorder.database, ["runs"]) if each.job]

        (waiting,) = await eventually(waits)
        assert waiting.shown == "echo Submitted batch job 123 (batch job 123)"
        await eventually(lambda: not is_alive(waiting.pid))
        await look_after(recorder.database, recorder.tables.context, _launcher(workspace))
        assert states(await row_of(recorder.database)) == {"fit": "waiting for outside"}
        listed = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "knockoff", "-w", str(workspace.folder), "jobs"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "fit of run 4 waits for echo Submitted" in listed.stderr
        assert "`sacct -j 123`" in listed.stderr
        assert "`knockoff cancel 4` ends that" in listed.stderr
        assert listed.stdout == ""

        done = await cancel(recorder.database, recorder.tables.context, [4], by="ada", patience=1)
        assert "scancel 123" in done.out_of_reach[0]
        assert states(await row_of(recorder.database)) == {"fit": "cancelled"}


async def test_reprocess_launches_no_second_program_unless_it_is_forced(
    recorder: Recorder,
) -> None:
    """Each may be hours of a cluster."""
    folder = folder_of(recorder)
    await processed(recorder)
    (first,) = await eventually(lambda: numbers_in(folder / "programs.txt"))
    await recorder.work_off(await recorder.ask_again(key_of(recorder), retry=True))
    assert numbers_in(folder / "programs.txt") == [first]

    await recorder.work_off(
        await recorder.ask_again(key_of(recorder), force=True, variables=["fit"])
    )
    await eventually(lambda: len(numbers_in(folder / "programs.txt")) == 2)
    await eventually(lambda: not is_alive(first))  # what it brings would only be refused
    row = await row_of(recorder.database)
    assert row["knockoff"]["problems"]["fit"]["outside"]["id"] == "runs/4/fit/asked-2"


async def test_a_program_of_an_earlier_launch_is_refused(
    recorder: Recorder,
) -> None:
    """Its value belongs to other code or inputs; the newer program brings the right one."""
    await processed(recorder)
    await recorder.work_off(
        await recorder.ask_again(key_of(recorder), force=True, variables=["fit"])
    )
    workspace = _workspace(folder_of(recorder))
    late = Submission({"fit": 1.0}, launch="runs/4/fit/raw-1")
    with pytest.raises(SubmitError, match="asked-1 has launched another program"):
        await submit_to(workspace, workspace.settings(), key_of(recorder), late)
    assert states(await row_of(recorder.database))["fit"] == "waiting for outside"
    now = Submission({"fit": 2.0}, launch="runs/4/fit/asked-1")
    await submit_to(workspace, workspace.settings(), key_of(recorder), now)
    assert (await row_of(recorder.database))["fit"] == 2


async def test_a_value_for_code_that_was_edited_meanwhile_is_stored_as_stale(
    recorder: Recorder,
) -> None:
    """It is what the program computed; that it is not what the file says now has to be seen."""
    folder = folder_of(recorder)
    await processed(recorder)
    file = folder / "context.py"
    file.write_text(file.read_text().replace("2 * self.fit", "2 * self.fit + 0"))
    file.write_text(file.read_text().replace("--value 7.5", "--value 8.5"))
    await recorder.context.look()
    workspace = _workspace(folder)
    done = await submit_to(
        workspace,
        workspace.settings(),
        key_of(recorder),
        Submission({"fit": 7.5}, launch="runs/4/fit/raw-1"),
    )
    assert done.stale == ("fit",)
    assert done.dependants == ()
    row = await row_of(recorder.database)
    assert row["fit"] == 7.5
    from knockoff.runs.staleness import stale_cells

    assert "fit" in stale_cells(recorder.tables.description("runs"), row)


async def test_cancel_ends_a_program_with_all_that_it_has_started(recorder: Recorder) -> None:
    """Whoever cancels wants the processors back."""
    folder = folder_of(recorder)
    await processed(recorder)
    (program,) = await eventually(lambda: numbers_in(folder / "programs.txt"))
    done = await cancel(recorder.database, recorder.tables.context, [4], by="ada", patience=1)
    assert "fit of run 4" in done.programs[0]
    await eventually(lambda: not is_alive(program))
    row = await row_of(recorder.database)
    assert states(row) == {"fit": "cancelled", "double": "cancelled"}
    assert row["knockoff"]["problems"]["fit"]["message"] == "by ada"

    due = await plan(
        recorder.database,
        recorder.tables.context,
        key_of(recorder).proposal,
        [4],
        Wish(),
        folder,
    )
    assert [each.variables for each in due.rows] == [("fit", "double")]


async def test_a_program_that_was_killed_without_a_word_is_noticed(recorder: Recorder) -> None:
    """The machine was restarted: nobody is left who could tell how it ended."""
    row = await processed(recorder)
    watching = row["knockoff"]["problems"]["fit"]["outside"]["pid"]
    os.kill(watching, signal.SIGKILL)
    await eventually(lambda: not is_alive(watching))
    await look_after(
        recorder.database, recorder.tables.context, _launcher(_workspace(folder_of(recorder)))
    )
    row = await row_of(recorder.database)
    assert states(row)["fit"] == "failed"
    assert "is gone without a word" in row["knockoff"]["problems"]["fit"]["message"]
    await recorder.work_off(["runs/4/edit"])
    assert states(await row_of(recorder.database))["double"] == "blocked"


async def test_a_program_is_launched_once_although_its_recorder_is_killed_around_it(
    recorder: Recorder,
) -> None:
    """The row says first that it waits, and the log that it was started: neither is lost."""
    folder = folder_of(recorder)
    await processed(recorder)
    await eventually(lambda: numbers_in(folder / "programs.txt"))
    path = "knockoff.problems.fit.outside"
    unknown = RowChange(removed=[f"{path}.{name}" for name in ("pid", "host", "owner", "log")])
    await change_row(recorder.database, "runs", key_of(recorder), unknown)
    launcher = _launcher(_workspace(folder))

    await look_after(recorder.database, recorder.tables.context, launcher, timedelta(0))
    (waiting,) = await waiting_in(recorder.database, ["runs"])
    assert waiting.owner == owner_of(waiting.pid)
    assert not waiting.is_gone
    assert len(numbers_in(folder / "programs.txt")) == 1

    await change_row(recorder.database, "runs", key_of(recorder), unknown)
    await cancel(recorder.database, recorder.tables.context, [4], by="ada", patience=1)
    os.kill(waiting.pid, signal.SIGKILL)


async def test_a_program_sees_no_secret_and_who_it_is(
    make_workspace: Callable[[str], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code of a context file must not learn the password of the database by launching a shell."""
    monkeypatch.setenv("KNOCKOFF_MYMDC__CLIENT_SECRET", "hush")
    monkeypatch.setenv("AWS_SECRET", "hush")
    workspace = make_workspace(context_with("env > seen.txt; until [ -e go ]; do sleep 0.1; done"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        await processed(recorder)
        seen = workspace.folder / "seen.txt"
        text = await eventually(lambda: seen.exists() and seen.read_text())
    assert "hush" not in text
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert told["KNOCKOFF_WORKSPACE"] == str(workspace.folder)
    assert told["KNOCKOFF_PROPOSAL"] == str(workspace.proposal)
    assert (told["KNOCKOFF_RUN"], told["KNOCKOFF_VARIABLE"]) == ("4", "fit")
    assert "OMP_NUM_THREADS" not in told


async def test_the_log_of_a_run_has_what_its_programs_printed(recorder: Recorder) -> None:
    """One place to look at, whoever printed it."""
    await processed(recorder)
    folder = _workspace(folder_of(recorder)).logs_folder
    lines = list(RunLog(folder, key_of(recorder)).lines())
    assert any(line.startswith("--- launched for fit: echo $$") for line in lines)
    assert RunLog(folder, key_of(recorder)).sections()[-1]["variables"] == ["fit"]


async def test_nothing_is_launched_out_of_a_sandbox(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """A program started by the listener would be outside of what shuts the context file in."""
    workspace = make_workspace(context_with("touch launched.txt"))
    settings = workspace.settings({"workers.launch": False})
    assert "workers.launch" in launcher_of(workspace, settings).refusal
    async with open_recorder(workspace, settings) as recorder:
        row = await processed(recorder)
    problem = row["knockoff"]["problems"]["fit"]
    assert (problem["state"], problem["kind"]) == ("failed", "LaunchError")
    assert "Set workers.launch to true" in problem["message"]
    assert not (workspace.folder / "launched.txt").exists()


def _launcher(workspace: Workspace) -> Launcher:
    return launcher_of(workspace, workspace.settings())


def _workspace(folder: Path) -> Workspace:
    from knockoff.workspace import Workspace

    return Workspace.open(folder)


async def test_what_a_program_computes_is_not_taken_away_before_it_is_stopped(
    recorder: Recorder,
) -> None:
    """It may have run for hours, and its answer would go nowhere; whoever wants that stops it."""
    await processed(recorder)
    database, folder = recorder.database, _workspace(folder_of(recorder)).arrays_folder
    (program,) = await eventually(lambda: numbers_in(folder_of(recorder) / "programs.txt"))
    columns = {each["name"]: each async for each in database["knockoff.variables"].find()}
    everything = Choice(values=True, arrays=True, history=True, events=True)
    before = await row_of(database)
    for taken in (
        lambda: delete_run(database, 4, by="ada"),
        lambda: delete_column(database, columns["fit"], by="ada"),
        lambda: reset(database, folder, key_of(recorder).proposal, everything),
    ):
        with pytest.raises(ProgramAtWorkError, match=r"fit of run 4 .* `knockoff cancel 4`"):
            await taken()
    assert await row_of(database) == before
    assert is_alive(program)
    await delete_column(database, columns["other"], by="ada")  # nobody computes that

    await cancel(database, recorder.tables.context, [4], by="ada", patience=1)
    await eventually(lambda: not is_alive(program))
    assert await reset(database, folder, key_of(recorder).proposal, everything) == []
    late = Submission({"fit": 1.0}, launch="runs/4/fit/raw-1")  # as from another host
    workspace = _workspace(folder_of(recorder))
    with pytest.raises(SubmitError, match="does not take the value of raw-1 any more"):
        await submit_to(workspace, workspace.settings(), key_of(recorder), late)
    await delete_run(database, 4, by="ada")
    with pytest.raises(RowMissingError, match="no row"):
        await submit_to(workspace, workspace.settings(), key_of(recorder), late)


SLOWLY_STARTED = context_with(
    "echo $$ >> programs.txt; exec sleep 600",
    """
    @Variable
    def late(self) -> int:
        import time
        from pathlib import Path
        while not Path(__file__).with_name("late").exists():
            time.sleep(0.02)
        return 1
""",
)


async def test_results_are_stored_while_a_program_is_being_started(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """On a slow disk a start may take half a minute, and other results are not held up by it."""
    workspace = make_workspace(SLOWLY_STARTED)
    async with open_recorder(workspace, workspace.settings()) as recorder:
        with started_by_somebody_else(workspace, "raw-1"):
            processing = asyncio.create_task(processed(recorder))

            async def waits() -> bool:
                row = await recorder.database.runs.find_one({"run": 4}) or {}
                return states({"knockoff": {}, **row}).get("fit") == "waiting for outside"

            await eventually(waits)
            (workspace.folder / "late").touch()

            async def stored() -> bool:
                return (await row_of(recorder.database)).get("late") == 1

            await eventually(stored)
            row = await row_of(recorder.database)
            assert "pid" not in row["knockoff"]["problems"]["fit"]["outside"]
            assert not numbers_in(workspace.folder / "programs.txt")
        row = await processing
        assert row["knockoff"]["problems"]["fit"]["outside"]["pid"] > 0
        await eventually(lambda: numbers_in(workspace.folder / "programs.txt"))


async def test_two_who_start_a_program_at_once_start_it_once(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """A listener that comes back looks after what another one has in hand just now."""
    workspace = make_workspace(WAITS)
    launcher = _launcher(workspace)
    key = RunKey(workspace.proposal, 4)
    workspace.logs_folder.mkdir(exist_ok=True)
    command = ["sh", "-c", "echo $$ >> programs.txt; exec sleep 600"]

    async def start() -> dict[str, Any]:
        return await launcher.start(key, "runs", "fit", "raw-1", command, str(workspace.folder))

    with started_by_somebody_else(workspace, "raw-1"):
        starts = [asyncio.create_task(start()) for _ in range(4)]
        await asyncio.sleep(0.5)  # let them come as far as they can
    told = await asyncio.gather(*starts)
    assert len({each["pid"] for each in told}) == 1
    (program,) = await eventually(lambda: numbers_in(workspace.folder / "programs.txt"))
    assert is_alive(program)


async def test_a_program_that_is_not_started_in_time_is_not_started_later(
    make_workspace: Callable[[str], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cell says that it was not; hours of a cluster for nobody would be a lie."""
    monkeypatch.setattr("knockoff.engine.launching._STARTED_IN_S", 1.0)
    workspace = make_workspace(context_with("echo $$ >> programs.txt; exec sleep 600"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        with started_by_somebody_else(workspace, "raw-1"):
            row = await processed(recorder)
        assert states(row) == {"fit": "failed"}
        assert "not started within 1 s" in row["knockoff"]["problems"]["fit"]["message"]
        assert not waiters_of(workspace)
        assert not numbers_in(workspace.folder / "programs.txt")


async def test_a_program_whose_cell_was_filled_while_it_was_started_is_ended(
    make_workspace: Callable[[str], Workspace],
) -> None:
    """What it submits would be refused; so it need not run for hours."""
    workspace = make_workspace(context_with("echo $$ >> programs.txt; exec sleep 600"))
    async with open_recorder(workspace, workspace.settings()) as recorder:
        with started_by_somebody_else(workspace, "raw-1"):
            processing = asyncio.create_task(processed(recorder))

            async def waits() -> bool:
                row = await recorder.database.runs.find_one({"run": 4}) or {}
                return states({"knockoff": {}, **row}).get("fit") == "waiting for outside"

            await eventually(waits)
            other = RowChange({"fit": 2.0}, ["knockoff.problems.fit", "knockoff.launched.fit"])
            await change_row(recorder.database, "runs", key_of(recorder), other)
        assert (await processing)["fit"] == 2.0

        async def ended() -> bool:
            log = workspace.logs_folder / f"r0004-p{workspace.proposal}.runs.fit.raw-1.log"
            return "was told to end" in log.read_text()

        await eventually(ended)
        assert not [
            each for each in numbers_in(workspace.folder / "programs.txt") if is_alive(each)
        ]
        assert (await row_of(recorder.database))["fit"] == 2.0
