"""How a request proves who we are: with a write token, or with one that is good for some time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from knockoff.mymdc.credentials import WriteToken
from knockoff.mymdc.errors import RedirectedError, WrongAnswerError
from knockoff.mymdc.requests import answer_in

if TYPE_CHECKING:
    from knockoff.mymdc.credentials import OAuthClient, SignIn
    from knockoff.mymdc.line import Line
    from knockoff.mymdc.requests import Signature

EARLY: Final = 30.0
"""Seconds before its end at which a token is given up, so that none ends on its way."""

USUAL_LIFE: Final = 3600.0
"""Seconds that a token is good for where the server does not say."""


def signature_of(sign_in: SignIn) -> Signature:
    """The signature for a way to sign in."""
    return TokenSignature(sign_in) if isinstance(sign_in, WriteToken) else OAuthSignature(sign_in)


class TokenSignature:
    """A proposal's write token, the same in every request."""

    def __init__(self, token: WriteToken) -> None:
        self._token = token.token

    async def headers(self, line: Line) -> dict[str, str]:  # noqa: ARG002
        """The key in ZWOP's own header."""
        return {"X-API-key": self._token.get_secret_value()}

    def renew(self) -> bool:
        """There is only one."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self._token.get_secret_value(),)


class OAuthSignature:
    """A token that the server hands out to an OAuth client, renewed before it ends."""

    def __init__(self, client: OAuthClient) -> None:
        self._client = client
        self._token = ""
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def headers(self, line: Line) -> dict[str, str]:
        """The token, and on whose behalf.

        Raises
        ------
        CatalogueError
            No token is to be had.
        """
        async with self._turn:
            if not self._token or time.monotonic() > self._until:
                await self._fetch(line)
            return {
                "Authorization": f"Bearer {self._token}",
                "X-User-Email": self._client.email,
            }

    def renew(self) -> bool:
        """The server may have forgotten the token; a new one may do."""
        self._token = ""
        return True

    def secrets(self) -> tuple[str, ...]:
        """Of the client, and the token of now."""
        return tuple(each for each in (self._client.secret.get_secret_value(), self._token) if each)

    async def _fetch(self, line: Line) -> None:
        url = self._client.token_address
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client.client_id,
            "client_secret": self._client.secret.get_secret_value(),
            "scope": "",
        }
        response, body = await line.exchange("POST", url, data=form)
        if response.has_redirect_location:
            raise RedirectedError(url, "somewhere else")
        answer: Any = answer_in(url, response, body, self.secrets())
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise WrongAnswerError(url, "it has no access_token")
        life = answer.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else USUAL_LIFE
        self._token = token
        self._until = time.monotonic() + max(seconds - EARLY, seconds / 2)
