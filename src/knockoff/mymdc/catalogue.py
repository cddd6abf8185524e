"""The catalogue as somebody who fills a table asks it: which sample, which type of run."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from knockoff.mymdc.answers import Answer, Known, Unavailable, UnknownYet
from knockoff.mymdc.credentials import WriteToken, is_open_to_all, sign_in_for
from knockoff.mymdc.errors import NoSuchEntryError, WrongAnswerError
from knockoff.mymdc.line import open_line
from knockoff.mymdc.requests import Asking, Patience
from knockoff.mymdc.signing import signature_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from knockoff.mymdc.credentials import SignIn
    from knockoff.runkey import RunKey
    from knockoff.settings import MyMdcSettings

log = logging.getLogger(__name__)

OF_A_TECHNIQUE: Final = (
    "description",
    "flg_available",
    "id",
    "identifier",
    "name",
    "runs_techniques_id",
    "url",
)
"""What each technique of a run has; None where the catalogue leaves one out."""


class Access:
    """The way to the catalogue for one proposal; credentials are read anew each time it is taken.

    So whoever signs in while a listener runs need not start it again.
    """

    def __init__(
        self,
        settings: MyMdcSettings,
        proposal: int,
        data_root: Path,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._proposal = proposal
        self._data_root = data_root
        self._patience = patience or Patience()
        self._warned: set[Path] = set()

    def sign_in(self) -> SignIn:
        """How we sign in; errors as of `sign_in_for`."""
        found = sign_in_for(self._settings, self._proposal, self._data_root)
        if isinstance(found, WriteToken) and found.file not in self._warned:
            self._warned.add(found.file)
            if is_open_to_all(found.file):
                log.warning(
                    "%s can be read by everybody, also outside of the proposal. "
                    "Its owner should run: chmod o-rwx %s",
                    found.file,
                    found.file,
                )
        return found

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MyMdc]:
        """Be ready to ask; nothing is sent yet.

        Raises
        ------
        NotSetUpError
            Nothing says how to sign in.
        CredentialsError
            What says so cannot be used.
        """
        sign_in = self.sign_in()
        async with open_line(self._settings.timeout) as line:
            yield MyMdc(Asking(line, sign_in.api, signature_of(sign_in), self._patience))


class MyMdc:
    """Answers about runs; a sample that many runs share is asked for once."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._names: dict[str, str | None] = {}

    async def title(self, proposal: int) -> str:
        """The title of a proposal, which shows that it can be read.

        Raises
        ------
        CatalogueError
            It cannot.
        """
        found = await self._asking.get(f"proposals/by_number/{proposal}")
        return str(found.get("title") or "") if isinstance(found, dict) else ""

    async def answers(self, key: RunKey, fields: Iterable[str]) -> dict[str, Answer]:
        """What is known of a run, by field: run_type, sample_name, techniques.

        Raises
        ------
        CatalogueError
            There is no use in asking for other runs either: nobody answers, or we are refused.
        """
        asked = list(fields)
        try:
            run = await self._run(key)
        except (NoSuchEntryError, WrongAnswerError) as error:
            return {field: Unavailable(str(error), datetime.now(UTC)) for field in asked}
        if run is None:
            return {field: UnknownYet(datetime.now(UTC)) for field in asked}
        return {field: await self._answer(run, field) for field in asked}

    async def _answer(self, run: dict[str, Any], field: str) -> Answer:
        try:
            value = await self._value(run, field)
        except (NoSuchEntryError, WrongAnswerError) as error:
            return Unavailable(str(error), datetime.now(UTC))
        now = datetime.now(UTC)
        return UnknownYet(now) if value is None else Known(value, now)

    async def _value(self, run: dict[str, Any], field: str) -> Any:
        """The value of a field; None where nobody has entered one yet."""
        if field == "sample_name":
            return await self._name(run, "samples", "sample_id")
        if field == "run_type":
            return await self._name(run, "experiments", "experiment_id")
        return await self._techniques(run)

    async def _run(self, key: RunKey) -> dict[str, Any] | None:
        path = f"proposals/by_number/{key.proposal}/runs/{key.run}"
        found = await self._asking.get(path)
        runs = found.get("runs") if isinstance(found, dict) else None
        if not isinstance(runs, list) or not all(isinstance(each, dict) for each in runs):
            raise WrongAnswerError(self._asking.api + path, "it has no list of runs")
        ours = [each for each in runs if each.get("run_number", key.run) == key.run]
        return ours[0] if ours else None

    async def _name(self, run: dict[str, Any], kind: str, reference: str) -> str | None:
        """The name of what a run refers to by number."""
        if run.get(reference) is None:
            return None
        path = f"{kind}/{self._number(run, reference)}"
        if path not in self._names:
            found = await self._asking.get(path)
            name = found.get("name") if isinstance(found, dict) else None
            if not isinstance(found, dict) or not isinstance(name, str | None):
                raise WrongAnswerError(self._asking.api + path, "it has no name")
            self._names[path] = name or None
        return self._names[path]

    async def _techniques(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"runs/{self._number(run, 'id')}"
        found = await self._asking.get(path)
        techniques = found.get("techniques") if isinstance(found, dict) else None
        if not isinstance(techniques, list) or not all(isinstance(t, dict) for t in techniques):
            raise WrongAnswerError(self._asking.api + path, "it has no list of techniques")
        return [{name: _plain(each.get(name)) for name in OF_A_TECHNIQUE} for each in techniques]

    def _number(self, run: dict[str, Any], reference: str) -> int:
        """An id that may stand in a path; a server's text must not."""
        number = run.get(reference)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise WrongAnswerError(self._asking.api, f"{reference} of a run is {number!r:.40}")
        return number


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else None
