"""Have the facility's service write a token for a proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.mymdc.credentials import checked_server, credentials_file, read_write_token
from knockoff.mymdc.errors import (
    CredentialsError,
    NoAnswerError,
    NoTokenServiceError,
    RedirectedError,
)
from knockoff.mymdc.line import open_line
from knockoff.mymdc.requests import answer_in, tried_once

if TYPE_CHECKING:
    from pathlib import Path

    from knockoff.mymdc.credentials import WriteToken
    from knockoff.settings import MyMdcSettings


async def have_token_written(
    settings: MyMdcSettings, proposal: int, data_root: Path, *, overwrite: bool
) -> WriteToken:
    """Ask ZWOP for the token of a proposal, which it writes into the proposal's folder.

    Raises
    ------
    CatalogueError
        It does not, or what it wrote cannot be found or used.
    """
    server = checked_server(settings.zwop, "mymdc.zwop")
    url = f"{server}/api/write_tokens"
    wish: dict[str, Any] = {
        "proposal_no": str(proposal),
        "kinds": "mymdc",
        "overwrite": str(overwrite).lower(),
        "dry_run": "false",
    }
    try:
        async with open_line(settings.timeout) as line:
            with tried_once(url):
                response, body = await line.exchange("POST", url, params=wish)
                if response.has_redirect_location:
                    raise RedirectedError(url, "somewhere else")
                answer_in(url, response, body, ())
    except NoAnswerError as error:  # nobody asks for a token again by themselves
        raise NoTokenServiceError(error.url, error.told) from error
    file = credentials_file(settings, proposal, data_root)
    if file is None:
        raise CredentialsError(
            url,
            f"it answered, but there is no credentials file in the folder of proposal {proposal}",
            "Try again in a minute; if it stays so, ask the data analysis group.",
        )
    return read_write_token(file)
