"""What code of a context file is shut in by: bubblewrap, told what is to be seen of the machine.

Nothing is seen that is not named here: the system's programs and libraries, the
interpreter, the data of the proposal, and of the workspace what a context file works
with. The process is alone in its namespaces: no other process, no network, a /tmp and
a home of its own. It is the first process there, so that all end when it ends.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knockoff.errors import RunDataError, WorkerError
from knockoff.rundata.finding import find_proposal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from knockoff.engine.interpreters import Interpreter

_SYSTEM: Final = tuple(
    Path(each)
    for each in (
        *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
        *("/sw", "/software", "/cvmfs", "/nix", "/gpfs/exfel/sw", "/sys/devices/system"),
    )
)
"""Programs and libraries, here and at the facility; those that are there are shown."""

_OUR_PACKAGE: Final = Path(__file__).parents[1]

_ALONE: Final = (
    *("--unshare-user-try", "--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup-try", "--cap-drop", "ALL"),
)
# Not --die-with-parent: what was begun is finished although the recorder was killed.

_found: Final[dict[tuple[int, Path | None], Path]] = {}
"""Folders of proposals."""

_NOT_PASSED_ON: Final = ("XDG_RUNTIME_DIR", "MPLCONFIGDIR")


class SandboxError(WorkerError):
    """The sandbox that is asked for cannot be had; nothing is run without it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"No user code is run, since sandbox.enabled is set and {self.what}. {self.remedy}"


@dataclass(frozen=True)
class Sandbox:
    """What code of a context file may reach."""

    workspace: Path | None = None
    """Folder of which it sees what is not hidden, and may write what is below `written`."""

    proposal: int | None = None
    """Whose data it sees; of the proposal's ``usr`` only ``usr/Software``."""

    data_root: Path | None = None
    """Where that proposal's folder is, or will be."""

    hidden: tuple[Path, ...] = ()
    """Files and folders that it must not see, in the workspace or elsewhere."""

    written: tuple[Path, ...] = ()
    """Folders of ours for results and logs."""

    extra_read: tuple[Path, ...] = ()
    extra_write: tuple[Path, ...] = ()
    network: bool = False

    def data(self) -> Path | None:
        """The folder of the proposal, once it is there."""
        if self.proposal is None:
            return None
        key = (self.proposal, self.data_root)
        try:
            if key not in _found or not _found[key].is_dir():  # to look for it takes its time
                _found[key] = find_proposal(self.proposal, self.data_root)
        except RunDataError:
            return None
        return _found[key]


@dataclass(frozen=True)
class Confinement:
    """One process in a sandbox: how it is started, and what it was shown."""

    sandbox: Sandbox
    context_file: Path
    words: tuple[str, ...]
    """The command line before the program's own."""

    seen: frozenset[tuple[str, int]]

    def is_current(self) -> bool:
        """Whether no file came, or took another's place, that a new process would see."""
        return self.seen == _seen(self.sandbox, self.context_file)


def confinement(
    sandbox: Sandbox,
    interpreter: Interpreter,
    context_file: Path,
    environment: Mapping[str, str],
    package: Path | None = None,
) -> Confinement:
    """Say how a process is started that loads `context_file` and sees nothing else.

    Parameters
    ----------
    environment:
        That of the process; for the places of its home and of its libraries.
    package:
        Folder from which another interpreter imports knockoff.

    Raises
    ------
    SandboxError
        There is no bubblewrap, or something of the workspace leads out of it.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError(
            "bubblewrap is not there",
            "Install it (apt-get install bubblewrap), or do without: "
            "knockoff config sandbox.enabled false",
        )
    seen = _seen(sandbox, context_file)  # first: what comes meanwhile is then seen to be new
    home = Path(environment.get("HOME") or "/")
    inner = [_OUR_PACKAGE, *interpreter.roots, *_libraries(environment)]
    if package is not None:
        inner.append(package)
    secret = (home, *(() if sandbox.workspace is None else (sandbox.workspace,)), *sandbox.hidden)
    words = [program, *_ALONE]
    if not sandbox.network:
        words += ["--unshare-net"]
    words += _shown(each for each in _SYSTEM if each.exists())
    if sandbox.network:
        words += _shown([Path("/etc/resolv.conf").resolve()])
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"]  # noqa: S108
    if home.is_absolute() and not any(_is_below(each, home) for each in _SYSTEM):
        words += ["--tmpfs", str(home)]
    # An entry such as the home folder itself on the interpreter's path would show all of it.
    words += _shown(
        (each for each in inner if not any(_is_below(s, each) for s in secret)),
        beside=[each for each in _SYSTEM if not _is_below(home, each)],
    )
    words += _data(sandbox)
    outside, inside = _extras(sandbox)
    words += outside
    words += _workspace(sandbox, context_file)
    words += inside
    for path in sandbox.hidden:
        if path.exists() and not _is_gone(path, sandbox):
            place = _place(path, sandbox)
            words += ["--tmpfs", str(place)] if path.is_dir() else _bound(Path("/dev/null"), place)
    words += ["--remount-ro", "/", "--chdir", "/"]
    for name in _NOT_PASSED_ON:
        words += ["--unsetenv", name]
    words += ["--setenv", "TMPDIR", "/tmp", "--"]  # noqa: S108
    return Confinement(sandbox, context_file, tuple(words), seen)


def status_within(status: int) -> int:
    """What a process in a sandbox ended with, as `subprocess` would say it.

    Bubblewrap ends with 128 and the number of the signal, as a shell does.
    """
    return 128 - status if status > 128 else status


def no_sandbox(said: str) -> SandboxError:
    """What to tell when bubblewrap itself has given up with these words."""
    return SandboxError(
        f"bubblewrap cannot make it:\n{said}\n",
        "Most often the system does not let users make namespaces: see user.max_user_namespaces, "
        "kernel.apparmor_restrict_unprivileged_userns, or the rights of the container.",
    )


def _place(path: Path, sandbox: Sandbox) -> Path:
    """Where something is to be mounted that is reached by a link in the proposal's folder.

    The link is seen there, and leads on; bubblewrap does not mount through it.
    """
    data = sandbox.data()
    for link, target in () if data is None else _links_out_of(data):
        if _is_below(path, link):
            return target / path.relative_to(link)
    return path


def _data(sandbox: Sandbox) -> Iterator[str]:
    folder = sandbox.data()
    if folder is None:
        return
    yield from _bound(folder, folder)
    for link, target in _links_out_of(folder):
        if link.name != "usr" and target.exists():
            yield from _bound(target, target)
    usr = folder / "usr"
    if usr.is_dir():
        yield from ("--tmpfs", str(usr.resolve()))
        software = usr / "Software"
        if software.is_dir():
            yield from _bound(software, usr.resolve() / "Software")


def _links_out_of(folder: Path) -> Iterator[tuple[Path, Path]]:
    """At the facility raw and proc lie on other disks than the proposal's folder."""
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            yield entry, entry.resolve()


def _extras(sandbox: Sandbox) -> tuple[list[str], list[str]]:
    """What is shown besides, below the workspace's own folder and in place of it."""
    outside: list[str] = []
    inside: list[str] = []
    for write, paths in ((False, sandbox.extra_read), (True, sandbox.extra_write)):
        for path in paths:
            key = "extra_write" if write else "extra_read"
            if any(_is_below(path.resolve(), each.resolve()) for each in sandbox.hidden):
                raise SandboxError(
                    f"sandbox.{key} names {path}, which is hidden", "Take it out there."
                )
            if not path.exists():
                raise SandboxError(
                    f"sandbox.{key} names {path}, which is not there", "Make it, or take it out."
                )
            there = inside if _is_inside(path, sandbox.workspace) else outside
            there += _bound(path, _place(path, sandbox), write=write)
    return outside, inside


def _workspace(sandbox: Sandbox, context_file: Path) -> Iterator[str]:
    folder = sandbox.workspace
    shown: list[Path] = []
    if folder is not None:
        yield from ("--tmpfs", str(_place(folder, sandbox)))
        entries = (each for each in _entries(sandbox) if each not in sandbox.written)
        shown += [each for each in entries if _may_be_shown(each, sandbox)]
    if folder != context_file.parent:
        shown += _modules_beside(context_file)
    for path in shown:  # what is deleted just now is no reason not to start
        yield from ("--ro-bind-try", str(path), str(_place(path, sandbox)))
    for path in sandbox.written:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_leading_out(path, sandbox, "sandbox.extra_write")
        yield from _bound(path, _place(path, sandbox), write=True)
    _refuse_leading_out(context_file, sandbox, "sandbox.extra_read")
    yield from _bound(context_file, _place(context_file, sandbox))
    if folder is not None:
        yield from ("--remount-ro", str(_place(folder, sandbox)))


def _entries(sandbox: Sandbox) -> list[Path]:
    """What of the workspace is shown: neither hidden, nor a copy that an editor has left.

    One by one, since what is mounted over a file in a folder that is seen as it is would
    be gone as soon as somebody saves a new one in its place.
    """
    if sandbox.workspace is None:
        return []
    hidden = {each.name for each in sandbox.hidden if each.parent == sandbox.workspace}
    copies = tuple(name for name in hidden if "." in name)  # knockoff.toml~, knockoff.toml.bak
    return [
        entry
        for entry in sorted(sandbox.workspace.iterdir())
        if entry.name not in hidden
        and not entry.name.startswith((".", *copies))
        and _is_file_or_folder(entry)
    ]


def _modules_beside(context_file: Path) -> list[Path]:
    """Of a folder that is no workspace, only what can be imported."""
    return [
        entry
        for entry in sorted(context_file.parent.iterdir())
        if (entry.suffix == ".py" or (entry / "__init__.py").is_file())
        and not entry.is_symlink()
        and entry != context_file
    ]


def _may_be_shown(entry: Path, sandbox: Sandbox) -> bool:
    """Not a link to what is elsewhere: whoever may write here could show anything by it."""
    return not entry.is_symlink() or _is_below_any(entry.resolve(), _homes(sandbox))


def _refuse_leading_out(path: Path, sandbox: Sandbox, setting: str) -> None:
    if sandbox.workspace is None or not _is_inside(path, sandbox.workspace):
        return
    target = path.resolve()
    extra = (*sandbox.extra_write, *sandbox.extra_read)
    if not _is_below_any(target, (*_homes(sandbox), *(each.resolve() for each in extra))):
        raise SandboxError(
            f"{path} leads out of the workspace, to {target}",
            f"If that is meant, add {target} to {setting}.",
        )


def _homes(sandbox: Sandbox) -> tuple[Path, ...]:
    homes = (sandbox.workspace, sandbox.data())
    return tuple(each.resolve() for each in homes if each is not None)


def _seen(sandbox: Sandbox, context_file: Path) -> frozenset[tuple[str, int]]:
    """Names and inodes of what is shown file by file, and where the data's links lead."""
    shown = _entries(sandbox)
    if sandbox.workspace != context_file.parent:
        shown += _modules_beside(context_file)
    data = sandbox.data()
    if data is not None:
        shown += [data, *(target for _, target in _links_out_of(data))]
    found = set()
    for path in shown:
        try:
            found.add((str(path), path.stat().st_ino))
        except OSError:  # it went just now
            found.add((str(path), 0))
    return frozenset(found)


def _libraries(environment: Mapping[str, str]) -> list[Path]:
    folders = environment.get("LD_LIBRARY_PATH", "").split(":")
    return [Path(each) for each in folders if each.startswith("/") and Path(each).is_dir()]


def _shown(paths: Iterable[Path], beside: Iterable[Path] = ()) -> list[str]:
    """Each for reading, unless it is in another one's folder already."""
    top: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if not _is_below_any(path, (*top, *beside)):
            top.append(path)
    return [word for path in top for word in _bound(path, path)]


def _bound(source: Path, place: Path, *, write: bool = False) -> list[str]:
    if write and _is_below(place, Path("/dev")):
        return ["--dev-bind", str(source), str(place)]
    return ["--bind" if write else "--ro-bind", str(source), str(place)]


def _is_gone(path: Path, sandbox: Sandbox) -> bool:
    """Whether something that is hidden is not there anyway."""
    shown = [*_homes(sandbox), *sandbox.extra_read, *sandbox.extra_write]
    return _is_inside(path, sandbox.workspace) or not _is_below_any(path, shown)


def _is_inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and path != folder and _is_below(path, folder)


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder)


def _is_below_any(path: Path, folders: Iterable[Path]) -> bool:
    return any(_is_below(path, folder) for folder in folders)


def _is_file_or_folder(path: Path) -> bool:
    """Not a socket or a pipe."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # one call for both questions
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
