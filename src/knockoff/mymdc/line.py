"""The line to a server: a request out, and all of its answer in, within a time."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from knockoff.mymdc.errors import NoAnswerError, WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LARGEST_ANSWER: Final = 1_000_000
"""Bytes; the answers that we ask for have a few thousand."""

HEADERS: Final = {"Accept": "application/json; version=1"}


class BusyError(Exception):
    """Worth another try; `after` is how long the server wants to be left alone, in seconds."""

    def __init__(self, told: str, after: float | None = None) -> None:
        super().__init__(told)
        self.told = told
        self.after = after


@dataclass(frozen=True)
class Line:
    """Sends requests; follows no redirection, since that might show a token to strangers."""

    http: httpx.AsyncClient
    seconds: float
    """For one request, from the connection to the last byte of the answer."""

    async def exchange(
        self, method: str, url: httpx.URL | str, **content: Any
    ) -> tuple[httpx.Response, bytes]:
        """Send a request and read all of the answer.

        Raises
        ------
        BusyError
            It was not answered, or only in part.
        NoAnswerError
            The server's certificate is not to be trusted.
        WrongAnswerError
            The answer is far too large, or damaged.
        """
        try:
            async with (
                asyncio.timeout(self.seconds),
                self.http.stream(method, url, **content) as response,
            ):
                return response, await _body(str(url), response)
        except (TimeoutError, httpx.TimeoutException):
            raise BusyError(f"nothing within {self.seconds:g} s") from None
        except httpx.TransportError as error:
            if _is_untrusted(error):
                told = "its certificate cannot be verified. If it has one of its own, set"
                raise NoAnswerError(str(url), f"{told} SSL_CERT_FILE") from None
            raise BusyError(f"{type(error).__name__} {error}".strip()) from None
        except httpx.DecodingError:
            raise WrongAnswerError(str(url), "it is damaged") from None


@asynccontextmanager
async def open_line(seconds: float) -> AsyncIterator[Line]:
    """A line that is used for several requests; nothing is sent yet."""
    async with httpx.AsyncClient(headers=HEADERS, timeout=seconds, follow_redirects=False) as http:
        yield Line(http, seconds)


async def _body(url: str, response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise WrongAnswerError(url, f"it has more than {LARGEST_ANSWER} bytes")
    return bytes(body)


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
