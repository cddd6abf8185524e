"""What can come between us and the catalogue; no text of these has a token in it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # errors are pickled with their arguments

from knockoff.errors import CatalogueError


class NotSetUpError(CatalogueError):
    """Nothing says how to sign in."""

    def __str__(self) -> str:
        return "MyMdC is not set up; see `knockoff mymdc --help`."


class CredentialsError(CatalogueError):
    """What should say how to sign in cannot be used."""

    def __init__(self, where: Path | str, reason: str, remedy: str) -> None:
        super().__init__(where, reason, remedy)
        self.where = where
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.where} cannot be used to sign in at MyMdC: {self.reason}. {self.remedy}"


class _AnswerError(CatalogueError):
    """Something about one request."""

    def __init__(self, url: str, told: str) -> None:
        super().__init__(url, told)
        self.url = url
        self.told = told


class SignInRefusedError(_AnswerError):
    """Who we say we are is not known there, or may not read this."""

    def __str__(self) -> str:
        return (
            f"MyMdC refuses {self.url}: {self.told}. `knockoff mymdc status` says how we sign in; "
            f"`knockoff mymdc login --overwrite` has a new write token made."
        )


class NoSuchEntryError(_AnswerError):
    """The catalogue does not have what was asked for."""

    def __str__(self) -> str:
        return (
            f"MyMdC has no {self.url}: {self.told}. Look whether the proposal is in MyMdC at all; "
            f"a simulated one is not."
        )


class NoAnswerError(_AnswerError):
    """It is away, busy or too slow, also after several tries."""

    def __str__(self) -> str:
        return (
            f"MyMdC does not answer at {self.url}: {self.told}. It is asked again later; "
            f"`knockoff mymdc sync` asks at once."
        )


class NoTokenServiceError(_AnswerError):
    """What writes tokens is away, or we are outside of its network."""

    def __str__(self) -> str:
        return (
            f"The service that writes tokens does not answer at {self.url}: {self.told}. "
            f"Try again on a host inside the facility's network; `knockoff mymdc --help` names "
            f"another way to sign in."
        )


class WrongAnswerError(_AnswerError):
    """It says something that is no answer to what was asked."""

    def __str__(self) -> str:
        return (
            f"MyMdC's answer at {self.url} cannot be used: {self.told}. If it stays so, look "
            f"whether the server is the right one: `knockoff mymdc status`."
        )


class RedirectedError(_AnswerError):
    """It sends us to another server, to which the token is not shown."""

    def __str__(self) -> str:
        return (
            f"MyMdC at {self.url} sends us on to {self.told}, and the token is not shown to "
            f"another server. If MyMdC has moved, `knockoff mymdc login --overwrite` asks for "
            f"new credentials."
        )
