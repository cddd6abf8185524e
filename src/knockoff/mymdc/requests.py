"""One question to the catalogue over HTTP: asked again where that helps, and no further."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx

from knockoff.mymdc.errors import (
    NoAnswerError,
    NoSuchEntryError,
    RedirectedError,
    SignInRefusedError,
    WrongAnswerError,
)
from knockoff.mymdc.line import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.mymdc.line import Line

log = logging.getLogger(__name__)

MOST_REDIRECTS: Final = 3


class Signature(Protocol):
    """How a request proves who we are."""

    async def headers(self, line: Line) -> dict[str, str]:
        """Headers that show it; they may have to be fetched first."""

    def renew(self) -> bool:
        """Told that we were refused; whether other headers may be accepted."""

    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated to anybody."""


@dataclass(frozen=True)
class Patience:
    """How long a server that is busy or away is tried."""

    tries: int = 3
    first: float = 0.5
    """Seconds until the second try; each later pause is twice the one before, with jitter."""

    longest: float = 20.0
    """Seconds that a pause may take, also one that the server asks for."""

    def pause(self, tries: int) -> float:
        """Seconds to wait after so many tries, so that not all who wait come back at once."""
        seconds = min(self.longest, self.first * 2 ** (tries - 1))
        return random.uniform(seconds / 2, seconds)  # noqa: S311  # only jitter


@dataclass(frozen=True)
class Asking:
    """Asks questions, signed, at one server.

    Parameters
    ----------
    api:
        Address below which all paths are.
    """

    line: Line
    api: str
    signature: Signature
    patience: Patience

    async def get(self, path: str) -> Any:
        """What the JSON at a path below `api` says.

        Raises
        ------
        CatalogueError
            Of `knockoff.mymdc.errors`, the one that fits.
        """
        url = self.api + path
        tries = 0
        while True:
            tries += 1
            try:
                return await self._tried(url)
            except BusyError as busy:
                pause = self.patience.pause(tries)
                if busy.after is not None:
                    pause = max(pause, busy.after)
                if tries >= self.patience.tries or pause > self.patience.longest:
                    raise NoAnswerError(url, _times(busy, tries)) from None
                log.debug("%s: tried again in %.1f s, because %s", url, pause, busy.told)
                await asyncio.sleep(pause)

    async def _tried(self, url: str) -> Any:
        signed = await self.signature.headers(self.line)
        response, body = await self._followed(url, signed)
        if response.status_code == httpx.codes.UNAUTHORIZED and self.signature.renew():
            signed = await self.signature.headers(self.line)
            response, body = await self._followed(url, signed)
        return answer_in(url, response, body, self.signature.secrets())

    async def _followed(self, url: str, signed: Mapping[str, str]) -> tuple[httpx.Response, bytes]:
        """Go where we are sent, as long as it is the same server that gets to see the token."""
        here = httpx.URL(url)
        for _ in range(MOST_REDIRECTS + 1):
            response, body = await self.line.exchange("GET", here, headers=signed)
            if not response.has_redirect_location:
                return response, body
            there = _joined(here, response.headers["Location"])
            if there is None or _origin(there) != _origin(here):
                told = (
                    "an address that is none" if there is None else f"{there.scheme}://{there.host}"
                )
                raise RedirectedError(url, told)
            here = there
        raise WrongAnswerError(url, f"it sent us on more than {MOST_REDIRECTS} times")


@contextmanager
def tried_once(url: str) -> Iterator[None]:
    """Take it for an answer when a server is away or busy."""
    try:
        yield
    except BusyError as busy:
        raise NoAnswerError(url, _times(busy, 1)) from None


def answer_in(url: str, response: httpx.Response, body: bytes, secrets: tuple[str, ...]) -> Any:
    """What an answer says; of `secrets` nothing is in any error.

    Raises
    ------
    CatalogueError
        Of `knockoff.mymdc.errors`, the one that fits.
    """
    status = response.status_code
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    told = f"{status} {response.reason_phrase}".strip()
    said = document if isinstance(document, dict) else {}
    info = said.get("info") or said.get("error_description")
    if info:
        told = f"{told}, {_short(info if isinstance(info, str) else json.dumps(info))}"
    told = without(told, secrets)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise SignInRefusedError(url, told)
    if status == httpx.codes.NOT_FOUND:
        raise NoSuchEntryError(url, told)
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        raise BusyError(told, _retry_after(response.headers.get("Retry-After")))
    if not response.is_success:
        raise WrongAnswerError(url, told)
    if document is None:
        begins = without(_short(body[:200].decode("utf-8", "replace")), secrets)
        raise WrongAnswerError(url, f"it is no JSON; it begins with {begins!r}")
    return document


def without(text: str, secrets: tuple[str, ...]) -> str:
    """A server may repeat what it was sent; blank that."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _short(text: str) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= 200 else f"{words[:200]}…"


def _times(busy: BusyError, tries: int) -> str:
    wait = "" if busy.after is None else f"; it asks to be left alone for {busy.after:.0f} s"
    return f"{busy.told}{wait}" + (f" ({tries} tries)" if tries > 1 else "")


def _retry_after(header: str | None) -> float | None:
    """Seconds, from a number of them or a date; None where the server does not say."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _joined(here: httpx.URL, location: str) -> httpx.URL | None:
    try:
        there = here.join(location)
    except (httpx.InvalidURL, ValueError):
        return None
    return there if there.host else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
