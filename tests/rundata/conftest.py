"""Synthetic runs to find and to open, and somebody who may not."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knockoff.rundata.synthetic import write_proc, write_run
from knockoff.runkey import RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

RAW_AND_PROC = RunKey(1234, 1)
RAW_ONLY = RunKey(1234, 2)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with two runs that no test changes: run 1 is corrected, run 2 is not."""
    root = tmp_path_factory.mktemp("recorded")
    for key in (RAW_AND_PROC, RAW_ONLY):
        write_run(root, key, trains=40, pulses=12, sequences=3)
    write_proc(root, RAW_AND_PROC)
    return root


@pytest.fixture
def root(recorded: Path) -> Iterator[Path]:
    """A copy of `recorded` to spoil, in a place where every user may go."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copytree(recorded, folder, dirs_exist_ok=True)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def stranger() -> Callable[[], AbstractContextManager[None]]:
    """Be a user without special rights inside the block, which root has to become first."""

    @contextmanager
    def somebody_else() -> Iterator[None]:
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(was)

    return somebody_else
