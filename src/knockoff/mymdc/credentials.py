"""Who we are for the catalogue: a write token in the proposal's folder, or an OAuth client."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import yaml
from pydantic import SecretStr

from knockoff.errors import RunDataError
from knockoff.mymdc.errors import CredentialsError, NotSetUpError
from knockoff.rundata.finding import find_proposal

if TYPE_CHECKING:
    from knockoff.settings import MyMdcSettings

IN_PROPOSAL: Final = Path("usr", "mymdc-credentials.yml")
"""Where the facility's service puts the write token of a proposal."""

LARGEST_FILE: Final = 10_000
"""Bytes; two short lines are expected."""

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]{1,4000}", re.ASCII)


@dataclass(frozen=True)
class WriteToken:
    """A proposal's own token, handed out by ZWOP and readable by the proposal's group."""

    server: str
    token: SecretStr
    file: Path

    @property
    def api(self) -> str:
        """Below which all paths are."""
        return f"{self.server}/api/mymdc/"

    def __str__(self) -> str:
        return f"write token in {self.file}, at {self.server}"


@dataclass(frozen=True)
class OAuthClient:
    """An application registered in MyMdC, which signs in on behalf of a person."""

    server: str
    client_id: str
    secret: SecretStr
    email: str

    @property
    def api(self) -> str:
        """Below which all paths are."""
        return f"{self.server}/api/"

    @property
    def token_address(self) -> str:
        """Where a token for some time is handed out."""
        return f"{self.server}/oauth/token"

    def __str__(self) -> str:
        return f"OAuth client {self.client_id} for {self.email}, at {self.server}"


SignIn = WriteToken | OAuthClient


def sign_in_for(settings: MyMdcSettings, proposal: int, data_root: Path) -> SignIn:
    """How to sign in: as the settings say, else with the proposal's write token.

    Raises
    ------
    NotSetUpError
        There is neither.
    CredentialsError
        What there is cannot be used.
    """
    if settings.client_id is not None:
        if settings.client_secret is None or settings.user_email is None:
            raise CredentialsError(
                "mymdc.client_id",
                "mymdc.client_secret and mymdc.user_email belong to it",
                "Set them, as in KNOCKOFF_MYMDC__CLIENT_SECRET=... in the environment.",
            )
        secret = settings.client_secret
        return OAuthClient(
            checked_server(settings.server, "mymdc.server"),
            settings.client_id,
            secret,
            settings.user_email,
        )
    file = credentials_file(settings, proposal, data_root)
    if file is None:
        raise NotSetUpError
    return read_write_token(file)


def credentials_file(settings: MyMdcSettings, proposal: int, data_root: Path) -> Path | None:
    """The file of the write token; None if the proposal has none."""
    if settings.credentials is not None:
        return settings.credentials
    try:
        file = find_proposal(proposal, data_root) / IN_PROPOSAL
        return file if file.exists() else None
    except (RunDataError, OSError):  # no such proposal here, or a folder that is not ours to see
        return None


def read_write_token(file: Path) -> WriteToken:
    """Read ``token`` and ``server``; no error of this shows what is in the file.

    Raises
    ------
    CredentialsError
        It cannot be read, or one of the two is missing or not fit for use.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST_FILE)
    except OSError as error:
        remedy = "Ask its owner for access to it, or run: knockoff mymdc login"
        raise CredentialsError(file, str(error.strerror), remedy) from None
    try:
        found: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        found = None
    remedy = "`knockoff mymdc login --overwrite` has a new one written."
    if not isinstance(found, dict):
        raise CredentialsError(file, "it is not YAML with `token:` and `server:`", remedy)
    for name in ("token", "server"):
        value = found.get(name)
        if not isinstance(value, str | int) or not _PRINTABLE.fullmatch(str(value)):
            raise CredentialsError(file, f"it has no usable `{name}:`", remedy)
    server = checked_server(str(found["server"]), file)
    return WriteToken(server, SecretStr(str(found["token"])), file)


def is_open_to_all(file: Path) -> bool:
    """Whether people outside of the proposal's group can read a token."""
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def checked_server(address: str, where: Path | str) -> str:
    """The address without a slash at its end.

    Raises
    ------
    CredentialsError
        It is none, or what is sent there could be read on the way.
    """
    remedy = "It should look like https://in.xfel.eu/metadata."
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise CredentialsError(where, "its server is no address", remedy) from None
    if url.userinfo or url.query or url.fragment or not url.host:
        raise CredentialsError(where, "its server is no plain address", remedy)
    if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
        reason = f"{url.scheme}://{url.host} would show the token to whoever is on the way"
        raise CredentialsError(where, reason, remedy)
    return address.rstrip("/")
