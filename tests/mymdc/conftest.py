"""MyMdC on a free port, and a proposal that is entered there."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.mymdc.server import TOKEN, mymdc_server

from knockoff.database.client import database_name, open_client
from knockoff.mymdc.catalogue import Access
from knockoff.mymdc.credentials import IN_PROPOSAL
from knockoff.mymdc.requests import Patience
from knockoff.settings import MyMdcSettings
from knockoff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.mymdc.server import MyMdcServer

    from knockoff.database.client import Database

HASTY = Patience(tries=3, first=0.01, longest=0.2)

_NUMBERS = itertools.count(500_000 + os.getpid() % 8_000 * 50)


@pytest.fixture(autouse=True)
def straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be behind a proxy, which does not know our servers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
async def mymdc() -> AsyncIterator[MyMdcServer]:
    """A catalogue with nothing in it."""
    async with mymdc_server() as server:
        yield server


@dataclass(frozen=True)
class Proposal:
    """A proposal's folder below a data root of its own."""

    number: int
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "MID" / "202601" / f"p{self.number:06d}"

    @property
    def credentials(self) -> Path:
        return self.folder / IN_PROPOSAL

    def sign_in(self, server: MyMdcServer) -> None:
        """Write the credentials as ZWOP does: open to the group, and to nobody else."""
        self.credentials.parent.mkdir(parents=True, exist_ok=True)
        self.credentials.write_text(f"token: {TOKEN}\nserver: {server.server}\n")
        self.credentials.chmod(0o660)

    def access(self, *, timeout: float = 5, **chosen: object) -> Access:
        settings = MyMdcSettings.model_validate({"timeout": timeout, **chosen})
        return Access(settings, self.number, self.root, HASTY)


@pytest.fixture
def proposal(tmp_path: Path) -> Proposal:
    """A proposal that has a folder and no credentials."""
    found = Proposal(next(_NUMBERS), tmp_path / "data")
    found.folder.mkdir(parents=True)
    return found


@pytest.fixture
def make_workspace(tmp_path: Path, mongod: str, proposal: Proposal) -> Callable[..., Workspace]:
    """Make the proposal's workspace with this context file."""

    def make(context: str) -> Workspace:
        settings = {"database": mongod, "data_root": str(proposal.root)}
        return Workspace.create(
            tmp_path / "ws", proposal.number, context=context, settings=settings
        )

    return make


@pytest.fixture
async def database(mongod: str, proposal: Proposal) -> AsyncIterator[Database]:
    """The proposal's database as any client sees it; dropped afterwards."""
    async with open_client(mongod) as client:
        name = database_name(proposal.number)
        yield client[name]
        await client.drop_database(name)
