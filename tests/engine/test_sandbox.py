"""Code of a context file in a real sandbox: what it attempts fails, and what it is for works."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from knockoff.arrays.reading import read_array
from knockoff.arrays.references import ArrayReference
from knockoff.engine.local import open_engine
from knockoff.engine.sandbox import Sandbox, SandboxError
from knockoff.errors import WorkerError
from knockoff.filling.spool import spools_in
from knockoff.logs import configure
from knockoff.rundata.synthetic import write_runs

from .conftest import Place, results, until
from .pythons import bare_python

if TYPE_CHECKING:
    from knockoff.engine.environment import EngineSettings

SECRET = "do not tell"


def why_there_is_no_sandbox() -> str:
    """Why bubblewrap cannot be used here; empty where it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (apt-get install bubblewrap)"
    command = ["bwrap", "--unshare-user-try", "--unshare-pid", "--ro-bind", "/", "/", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"bubblewrap does not work here: {done.stderr.strip()}" if done.returncode else ""


REASON = why_there_is_no_sandbox()
needs_bubblewrap = pytest.mark.skipif(bool(REASON), reason=REASON)


@dataclass
class Beamtime:
    """A workspace with secrets, in a proposal with data, and what may be reached of both."""

    place: Place
    data: Path

    @property
    def sandbox(self) -> Sandbox:
        folder = self.place.folder
        return Sandbox(
            workspace=folder,
            proposal=1234,
            data_root=self.data,
            hidden=(folder / "knockoff.toml", folder / "db"),
            written=(folder / "extracted_data", folder / "process_logs", folder / "spool"),
        )

    @property
    def settings(self) -> EngineSettings:
        return replace(self.place.settings, sandbox=self.sandbox)

    @property
    def proposal(self) -> Path:
        return self.data / "MID" / "202601" / "p001234"


@pytest.fixture
def beamtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beamtime:
    data = tmp_path / "data"
    write_runs(data, 1234, [42], trains=8, pulses=4)
    workspace = data / "MID" / "202601" / "p001234" / "usr" / "Shared" / "knockoff"
    for folder in ("db", "extracted_data", "process_logs", "spool", "tables"):
        (workspace / folder).mkdir(parents=True)
    home = tmp_path / "home"
    home.mkdir()
    for file in (
        workspace / "db" / "rows",
        workspace / "knockoff.toml",
        workspace / "knockoff.toml.bak",
        workspace / ".token",
        workspace.parents[1] / "mymdc-credentials.yml",
        home / "key",
    ):
        file.write_text(SECRET)
    (workspace / "tables" / "calibration.txt").write_text("42")
    monkeypatch.setenv("HOME", str(home))
    return Beamtime(Place(workspace), data)


ATTEMPTS = """
import errno, glob, os, re, signal, socket, sys, tempfile
from pathlib import Path
import numpy as np
from extra_data import open_run
from damnit_ctx import Variable

HERE = Path(__file__).parent
TRIED = {tried!r}

def attempted(action):
    try:
        found = action()
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
    return f"done: {{found!r}}"[:300]

@Variable
def files(run: "meta#run_number"):
    found = {{}}
    for path in TRIED["read"]:
        found[f"read {{path}}"] = attempted(lambda: Path(path).read_text())
    for path in TRIED["write"]:
        found[f"write {{path}}"] = attempted(lambda: Path(path).write_text("mine"))
    for path in TRIED["delete"]:
        found[f"delete {{path}}"] = attempted(lambda: os.unlink(path))
    return found

@Variable
def listed(run: "meta#run_number"):
    return {{folder: sorted(os.listdir(folder)) for folder in TRIED["list"]}}

@Variable
def network(run: "meta#run_number"):
    def tcp():
        with socket.create_connection(("127.0.0.1", TRIED["port"]), timeout=5) as s:
            return s.recv(10)
    def unix(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
    def beside():
        os.chdir(HERE / "db")
        unix("s")
    return {{
        "tcp": attempted(tcp),
        "socket": attempted(beside),
        "abstract": attempted(lambda: unix("\\0" + TRIED["abstract"])),
    }}

@Variable
def processes(run: "meta#run_number"):
    pid = TRIED["recorder"]
    found = b"".join(Path(p).read_bytes() for p in glob.glob("/proc/[0-9]*/environ"))
    return {{
        "seen": len(glob.glob("/proc/[0-9]*")),
        "told": TRIED["told"].encode() in found,
        "environ": attempted(lambda: Path(f"/proc/{{pid}}/environ").read_bytes()),
        "kill": attempted(lambda: os.kill(pid, signal.SIGKILL)),
        "all": attempted(lambda: os.kill(-1, 0)),
    }}

@Variable
def leaves(run: "meta#run_number"):
    for folder in ("/tmp", "/var/tmp", os.path.expanduser("~"), tempfile.gettempdir()):
        (Path(folder) / TRIED["name"]).write_text("left")
    return "written"

@Variable
def energy(run: "meta#run_number"):
    data = open_run(1234, run)
    return data["SA2_XTD1_XGM/XGM/DOOCS:output", "data.intensityTD"].ndarray()

@Variable
def calibration(run: "meta#run_number"):
    return int((HERE / "tables" / "calibration.txt").read_text())
"""


@needs_bubblewrap
async def test_a_hostile_context_reaches_nothing_and_its_arrays_are_written(
    beamtime: Beamtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise whoever may edit a context file has every right of the service."""
    workspace = beamtime.place.folder
    raw = next((beamtime.proposal / "raw" / "r0042").iterdir())
    before = raw.read_bytes()
    context = workspace / "context.py"
    monkeypatch.setenv("KNOCKOFF_DATABASE", f"mongodb://me:{SECRET}@host/")
    reads = [
        workspace / "db" / "rows",
        workspace / "knockoff.toml",
        workspace / "knockoff.toml.bak",
        workspace / ".token",
        beamtime.proposal / "usr" / "mymdc-credentials.yml",
        tmp_path / "home" / "key",
        Path("/etc/shadow") if os.getuid() else Path("/root/.bashrc"),
    ]
    writes = [raw, context, workspace / "new.py", raw.parent / "new", Path("/usr/new"), Path("/x")]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        local = stack.enter_context(socket.socket(socket.AF_UNIX))
        with contextlib.chdir(workspace / "db"):  # the whole path is too long for a socket
            local.bind("s")
        local.listen()
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{beamtime.place.name}")
        abstract.listen()
        tried = {
            "read": list(map(str, reads)),
            "write": list(map(str, writes)),
            "delete": [str(raw), str(context)],
            "list": [str(workspace), str(tmp_path / "home"), "/tmp", str(beamtime.proposal)],
            "port": server.getsockname()[1],
            "abstract": beamtime.place.name,
            "recorder": os.getpid(),
            "told": SECRET,
            "name": f"left-{beamtime.place.name}",
        }
        context.write_text(ATTEMPTS.format(tried=tried))
        text = context.read_text()
        names = ("files", "listed", "network", "processes", "leaves", "energy", "calibration")
        settings = replace(
            beamtime.settings,
            environment={
                **beamtime.place.settings.environment,
                "EXTRA_DATA_DATA_ROOT": str(beamtime.data),
            },
        )
        async with open_engine(settings) as engine:
            task = beamtime.place.task(data_root=str(beamtime.data))
            found = await results(engine, context, task, names)

    assert {name: (each.outcome, each.problem) for name, each in found.items()} == dict.fromkeys(
        names, ("done", None)
    )
    values: dict[str, Any] = {name: found[name].fields.get(name) for name in names}
    assert [line for line in values["files"].items() if line[1].startswith("done")] == []
    assert SECRET not in json.dumps(values)
    assert raw.read_bytes() == before
    assert context.read_text() == text
    shown = set(values["listed"][str(workspace)])
    assert shown == {"context.py", "extracted_data", "process_logs", "spool", "tables"}
    assert values["listed"][str(tmp_path / "home")] == []
    assert [each for each in values["listed"]["/tmp"] if each.startswith("knockoff")] == []
    assert [each for each in values["network"].values() if each.startswith("done")] == []
    processes = values["processes"]
    assert processes["seen"] <= 3
    assert not processes["told"]
    assert processes["environ"].startswith("FileNotFoundError")
    assert processes["kill"].startswith("ProcessLookupError")
    name = f"left-{beamtime.place.name}"
    assert [
        each for each in ("/tmp", "/var/tmp", tmp_path / "home") if (each / Path(name)).exists()
    ] == []
    reference = found["energy"].cell.array
    assert reference is not None
    array = read_array(workspace / "extracted_data", ArrayReference.from_json(reference))
    assert array.shape == (8, 4)
    assert values["calibration"] == 42
    await beamtime.place.until_nothing_runs()


@needs_bubblewrap
async def test_with_the_network_on_a_server_is_reached(beamtime: Beamtime) -> None:
    """Some variables ask a catalogue of their own; and the test above can fail."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        context = beamtime.place.context(
            f"""
@Variable
def reached(run: "meta#run_number"):
    import socket
    with socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=5):
        return True
"""
        )
        sandbox = replace(beamtime.sandbox, network=True)
        async with open_engine(replace(beamtime.settings, sandbox=sandbox)) as engine:
            found = await results(engine, context, beamtime.place.task(), ("reached",))
    assert found["reached"].fields == {"reached": True}


@needs_bubblewrap
async def test_each_kind_of_death_is_told_as_without(beamtime: Beamtime) -> None:
    """A process that is alone in its namespace dies in other ways only if nobody looked."""
    context = beamtime.place.context(
        """
@Variable
def crashes(before: "var#before"):
    import ctypes
    ctypes.string_at(0)

@Variable
def leaves(before: "var#before"):
    os._exit(3)

@Variable(timeout=0.5)
def hangs(before: "var#before"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    while True: time.sleep(1)

@Variable
def kills_all(before: "var#before"):
    os.kill(1, signal.SIGKILL)  # the first process of a namespace is not hurt by those within
    return "tried"

@Variable
def adjusted(before: "var#before"):
    return int(Path("/proc/self/oom_score_adj").read_text())
"""
    )
    names = ("before", "crashes", "leaves", "hangs", "kills_all", "adjusted", "after")
    async with open_engine(beamtime.settings) as engine:
        found = await results(engine, context, beamtime.place.task(), names)

        assert {name: each.outcome for name, each in found.items()} == {
            "before": "done",
            "crashes": "killed",
            "leaves": "failed",
            "hangs": "timed out",
            "kills_all": "done",
            "adjusted": "done",
            "after": "done",
        }
        assert found["crashes"].problem is not None
        assert found["crashes"].problem.kind == "SIGSEGV"
        assert found["adjusted"].fields["adjusted"] == 800
        await until(lambda: "sleep 1000" not in " ".join(beamtime.place.processes().values()))
    await beamtime.place.until_nothing_runs()


@needs_bubblewrap
async def test_a_context_with_threads_is_shut_in_too(beamtime: Beamtime) -> None:
    """Its runs are fresh interpreters and not forks; each is started within."""
    context = beamtime.place.context(
        """
import threading
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()

@Variable
def key(run: "meta#run_number"):
    network = Path("/proc/net/dev").read_text().count(":")
    return sys.argv[0], os.path.exists(os.path.expanduser("~/key")), network
"""
    )
    async with open_engine(beamtime.settings) as engine:
        found = await results(engine, context, beamtime.place.task(), ("before", "key", "after"))
    program, has_key, devices = found["key"].fields["key"]
    assert program.endswith("spawned.py")
    assert not has_key
    assert devices <= 1  # its own lo
    assert found["after"].outcome == "done"


def is_first(pid: int) -> bool:
    """Whether it is process 1 of a namespace below ours."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("NSpid:"))
    return len(line.split()) > 2 and line.split()[-1] == "1"


@needs_bubblewrap
async def test_nobody_outside_is_killed_when_the_worker_is_lost(beamtime: Beamtime) -> None:
    """Pids of a namespace belong to other processes outside of it."""
    context = beamtime.place.context(
        """
@Variable
def waits(run: "meta#run_number"):
    Path(os.environ["MARK"]).write_text(str(os.getpid()))
    time.sleep(1000)
"""
    )
    mark = beamtime.place.folder / "spool" / "mark"
    settings = replace(
        beamtime.settings,
        environment={**beamtime.settings.environment, "MARK": str(mark)},
    )
    async with open_engine(settings) as engine:
        await engine.describe(context)
        filling = asyncio.create_task(
            results(engine, context, beamtime.place.task(), ("waits", "after"))
        )
        await until(mark.exists)
        await until(lambda: bool(mark.read_text()))
        assert int(mark.read_text()) < 20  # nobody of ours, but somebody outside has this number
        groups: list[int] = []
        killpg, os.killpg = os.killpg, lambda group, number: groups.append(group)
        try:
            (zygote,) = (pid for pid in beamtime.place.processes() if is_first(pid))
            os.kill(zygote, signal.SIGKILL)
            await until(lambda: zygote not in beamtime.place.processes())
            filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await filling
        finally:
            os.killpg = killpg
        assert groups == []


RECORDER = """
import asyncio, sys, json
from pathlib import Path
from knockoff.engine.environment import EngineSettings
from knockoff.engine.local import open_engine
from knockoff.engine.sandbox import Sandbox
from knockoff.filling.messages import RunTask

async def main():
    folder = Path(sys.argv[1])
    written = tuple(folder / each for each in ("extracted_data", "process_logs", "spool"))
    settings = EngineSettings(
        written[1], written[2], grace=0.3, preload=(), environment={"KNOCKOFF_TEST": sys.argv[2]},
        sandbox=Sandbox(workspace=folder, written=written),
    )
    async with open_engine(settings) as engine:
        task = RunTask(1234, 42, "runs", "1", str(written[0]))
        async with engine.session(folder / "context.py", task) as session:
            async for message in session.fill(["before", "slow", "after"]):
                print(type(message).__name__, getattr(message, "variable", ""), flush=True)

asyncio.run(main())
"""


@needs_bubblewrap
async def test_a_worker_outlives_its_recorder(beamtime: Beamtime) -> None:
    """As without a sandbox: an hour's work is not lost by a restart of the service."""
    place = beamtime.place
    go_on = place.folder / "tables" / "go_on"
    place.context(
        f"""
@Variable
def slow(before: "var#before"):
    while not os.path.exists({str(go_on)!r}): time.sleep(0.01)
    return "slow"
"""
    )
    command = [sys.executable, "-c", RECORDER, str(place.folder), place.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recorder:  # noqa: ASYNC220
        assert recorder.stdout is not None
        while "Started slow" not in await asyncio.to_thread(recorder.stdout.readline):
            assert recorder.poll() is None
        recorder.kill()
    (spool,) = spools_in(place.folder / "spool")
    assert spool.is_held()
    go_on.touch()

    found = {result.variable: result.fields async for result in spool.results()}

    assert found["slow"] == {"slow": "slow"}
    assert found["after"] == {"after": 43}
    await place.until_nothing_runs()


@needs_bubblewrap
async def test_a_bare_environment_runs_in_the_sandbox(beamtime: Beamtime, tmp_path: Path) -> None:
    """Its folders are shown wherever they lie, also in a home that is not."""
    python = bare_python(tmp_path / "home" / "venv")
    context = beamtime.place.context(
        """
@Variable
def told(run: "meta#run_number"):
    return sys.executable, os.listdir(os.path.expanduser("~"))
"""
    )
    packages = Path(pytest.__file__).parents[1]  # to which the environment has links
    settings = replace(
        beamtime.settings,
        python=str(python),
        sandbox=replace(beamtime.sandbox, extra_read=(packages,)),
    )
    async with open_engine(settings) as engine:
        found = await results(engine, context, beamtime.place.task(), ("told",))
    assert found["told"].fields["told"] == [str(python), ["venv"]]


@needs_bubblewrap
async def test_a_file_saved_anew_is_seen_and_new_settings_are_not(beamtime: Beamtime) -> None:
    """Editors put a new file in the place of the old one; a mask over it would be gone then."""
    place = beamtime.place
    (place.folder / "mask.txt").write_text("old")
    context = place.context(
        """
@Variable
def read(run: "meta#run_number"):
    here = Path(__file__).parent
    return [each.read_text() for each in sorted(here.glob("*.t*"))]
"""
    )
    async with open_engine(beamtime.settings) as engine:
        await engine.describe(context)
        found = await results(engine, context, place.task(), ("read",))
        assert found["read"].fields["read"] == ["old"]
        for name, text in (("mask.txt", "new"), ("knockoff.toml", SECRET)):
            (place.folder / "other").write_text(text)
            (place.folder / "other").rename(place.folder / name)
        found = await results(engine, context, place.task(attempt="2"), ("read",))
        assert SECRET not in found["read"].fields["read"]
        await engine.describe(context)
        found = await results(engine, context, place.task(attempt="3"), ("read",))
        assert found["read"].fields["read"] == ["new"]


@needs_bubblewrap
async def test_data_that_lies_elsewhere_is_found(beamtime: Beamtime, tmp_path: Path) -> None:
    """At the facility raw and proc are links to other disks, and proc comes later."""
    elsewhere = (beamtime.proposal / "raw").rename(tmp_path / "raw_disk")
    (beamtime.proposal / "raw").symlink_to(elsewhere)
    context = beamtime.place.context(
        f"""
@Variable
def seen(run: "meta#run_number"):
    proposal = Path({str(beamtime.proposal)!r})
    return [len(list((proposal / kind / "r0042").glob("*.h5"))) for kind in ("raw", "proc")]
"""
    )
    gone = (beamtime.proposal / "proc").rename(tmp_path / "proc_disk")
    async with open_engine(beamtime.settings) as engine:
        await engine.describe(context)
        found = await results(engine, context, beamtime.place.task(), ("seen",))
        raw, proc = found["seen"].fields["seen"]
        assert raw > 0
        assert proc == 0
        (beamtime.proposal / "proc").symlink_to(gone)
        await engine.describe(context)
        task = beamtime.place.task(attempt="2")
        found = await results(engine, context, task, ("seen",))
        assert found["seen"].fields["seen"][1] > 0


@needs_bubblewrap
async def test_a_workspace_is_reached_by_links_of_the_proposal(
    beamtime: Beamtime, tmp_path: Path
) -> None:
    """At the facility ``usr`` and ``scratch`` are links as well."""
    disk = (beamtime.proposal / "usr").rename(tmp_path / "usr_disk")
    (beamtime.proposal / "usr").symlink_to(disk)
    context = beamtime.place.context(
        """
import numpy as np

@Variable
def array(run: "meta#run_number"):
    return np.arange(100_000)

@Variable
def secrets(run: "meta#run_number"):
    here = Path(__file__).parent
    found = [here, here.resolve(), here.parents[1], here.resolve().parents[1]]
    return [sorted(os.listdir(each)) for each in found]
"""
    )
    async with open_engine(beamtime.settings) as engine:
        found = await results(engine, context, beamtime.place.task(), ("array", "secrets"))
    assert found["array"].cell.array is not None
    shown = ["context.py", "extracted_data", "process_logs", "spool", "tables"]
    assert found["secrets"].fields["secrets"] == [shown, shown, ["Shared"], ["Shared"]]


@needs_bubblewrap
async def test_what_is_named_besides_is_reached(beamtime: Beamtime, tmp_path: Path) -> None:
    """Calibration, or a scratch folder, that lies outside of the proposal."""
    constants, scratch = tmp_path / "constants", tmp_path / "scratch"
    constants.mkdir()
    scratch.mkdir()
    (constants / "gain").write_text("3")
    context = beamtime.place.context(
        f"""
@Variable
def both(run: "meta#run_number"):
    gain = Path({str(constants)!r}, "gain").read_text()
    Path({str(scratch)!r}, "copy").write_text(gain)
    try:
        Path({str(constants)!r}, "gain").write_text("4")
    except OSError as error:
        return type(error).__name__
"""
    )
    sandbox = replace(beamtime.sandbox, extra_read=(constants,), extra_write=(scratch,))
    async with open_engine(replace(beamtime.settings, sandbox=sandbox)) as engine:
        found = await results(engine, context, beamtime.place.task(), ("both",))
    assert found["both"].fields == {"both": "OSError"}
    assert (scratch / "copy").read_text() == "3"


@needs_bubblewrap
@pytest.mark.parametrize("name", ["context.py", "spool", "extracted_data"])
async def test_a_link_out_of_the_workspace_is_refused(
    beamtime: Beamtime, tmp_path: Path, name: str
) -> None:
    """Whoever may write in the workspace could show, or overwrite, anything of the service's."""
    place = beamtime.place
    context = place.context("")
    target = (place.folder / name).rename(tmp_path / "home" / name)
    (place.folder / name).symlink_to(target)

    async with open_engine(beamtime.settings) as engine:
        with pytest.raises(SandboxError, match=rf"{name} leads out of the workspace, to {target}"):
            await engine.describe(context)


@needs_bubblewrap
async def test_a_link_to_a_secret_shows_nothing(beamtime: Beamtime, tmp_path: Path) -> None:
    """Another one that is not needed is left out, without a fuss."""
    (beamtime.place.folder / "notes").symlink_to(tmp_path / "home" / "key")
    context = beamtime.place.context(
        """
@Variable
def there(run: "meta#run_number"):
    return os.path.lexists(Path(__file__).parent / "notes")
"""
    )
    async with open_engine(beamtime.settings) as engine:
        found = await results(engine, context, beamtime.place.task(), ("there",))
    assert found["there"].fields == {"there": False}


async def test_without_bubblewrap_nothing_is_run(
    beamtime: Beamtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sandbox that is silently left out is worse than none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    context = beamtime.place.context("")
    async with open_engine(beamtime.settings) as engine:
        with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
            await engine.describe(context)
    await beamtime.place.until_nothing_runs()


async def test_a_system_that_forbids_namespaces_is_named(
    beamtime: Beamtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Many distributions do; bubblewrap's own words are not enough to know what to do."""
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    context = beamtime.place.context("")
    async with open_engine(beamtime.settings) as engine:
        with pytest.raises(SandboxError, match=r"No permissions(.|\n)*max_user_namespaces"):
            await engine.describe(context)


@needs_bubblewrap
async def test_a_link_in_place_of_a_log_leads_nobody_outside(
    beamtime: Beamtime, tmp_path: Path
) -> None:
    """The service opens logs too; else it would write user code's words into a file of its own."""
    mine = tmp_path / "home" / "profile"
    mine.write_text("mine\n")
    context = beamtime.place.context(
        f"""
@Variable
def plants(run: "meta#run_number"):
    logs = Path(__file__).parent / "process_logs"
    for name in ("context.log", "tui.log"):
        (logs / name).unlink(missing_ok=True)
        (logs / name).symlink_to({str(mine)!r})
"""
    )
    logs = beamtime.place.folder / "process_logs"
    async with open_engine(beamtime.settings) as engine:
        found = await results(engine, context, beamtime.place.task(), ("plants",))
        assert found["plants"].outcome == "done"
        assert (logs / "context.log").is_symlink()
        context.write_text("print('echo pwned')\n" + context.read_text())
        with pytest.raises(WorkerError, match=r"context\.log cannot be written: it is a link"):
            await engine.describe(context)
    with pytest.raises(OSError, match="symbolic links"):
        configure(file=logs / "tui.log")
    assert mine.read_text() == "mine\n"
