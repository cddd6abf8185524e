"""Where settings come from, and what is said about one that cannot be used."""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from knockoff.errors import SettingsError
from knockoff.logs import without_password
from knockoff.settings.choices import Settings, group_in, keys, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails


def read_settings(file: Path | None = None, flags: Mapping[str, object] | None = None) -> Settings:
    """Put together what `file`, the environment and `flags` say; the later one wins.

    Parameters
    ----------
    file:
        A workspace's ``knockoff.toml``; None where there is no workspace.
    flags:
        By key, as in ``{"workers.parallel": 8}``; a value of None was not given.

    Raises
    ------
    SettingsError
        Names every key that does not exist or has a value that cannot be used.
    """
    said: dict[str, Any] = {}
    origins = {"data_root": "EXTRA_DATA_DATA_ROOT"} if _has_data_root() else {}
    for values, origin in _sources(file, flags or {}):
        for key, value in _by_key(Settings, values):
            _put(said, key, value)
            origins[key] = origin or variable_of(key)
    settings = _validated(said, origins)
    settings._origins.update(origins)  # noqa: SLF001  (frozen for everybody else)
    return settings


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    SettingsError
        It cannot be read or is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}. Correct that place.") from error
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror}). Ask its owner for access to it."
        ) from error


def _validated(said: dict[str, Any], origins: Mapping[str, str]) -> Settings:
    try:
        return Settings(**said)
    except ValidationError as error:
        complaints = [_complaint(details, origins) for details in error.errors()]
        raise SettingsError("\n".join(complaints)) from None  # the cause would show secrets


def _has_data_root() -> bool:
    return bool(os.environ.get("EXTRA_DATA_DATA_ROOT"))


def variable_of(key: str) -> str:
    """Name the variable of the environment that sets `key`."""
    return "KNOCKOFF_" + key.replace(".", "__").upper()


def _sources(
    file: Path | None, flags: Mapping[str, object]
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield what each source says, and its name; None where that is the variable's own."""
    if file is not None:
        values = read_toml(file)
        values.pop("proposal", None)  # whose folder it is: the workspace reads that
        _refuse_open_secrets(file, values)
        if isinstance(values.get("data_root"), str):
            values["data_root"] = file.parent / Path(values["data_root"]).expanduser()
        yield values, str(file)
    yield EnvSettingsSource(Settings)(), None
    for key, value in flags.items():
        if value is not None:
            nested: dict[str, Any] = {}
            _put(nested, key, value)
            yield nested, f"--{key.rpartition('.')[2].replace('_', '-')}"


def _refuse_open_secrets(file: Path, values: Mapping[str, Any]) -> None:
    for key, value in _by_key(Settings, values):
        if is_secret(key, value) and is_open(file):
            raise SettingsError(
                f"{file} holds a password ({key}), and others may read that file. "
                f"Set {variable_of(key)} instead, or run: chmod 600 {file}"
            )


def is_secret(key: str, value: object) -> bool:
    """Tell whether a setting is nobody else's business: a password, or an address with one."""
    return kind_of(key) == "secret" and (
        key != "database" or without_password(str(value)) != str(value)
    )


def is_open(file: Path) -> bool:
    """Tell whether others than the owner of a file may do anything with it."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def refusal_of_key(key: str, origin: str | None = None) -> str:
    """Say that there is no such setting, and which ones are called alike."""
    known = list(dict.fromkeys([name for name, _ in keys(Settings)] + list(Settings.model_fields)))
    near = [name for name in known if name.rpartition(".")[2] == key]
    near += [name for name in difflib.get_close_matches(key, known, n=3) if name not in near]
    from_where = f" (from {origin})" if origin else ""
    near = near[:1] if origin else near[:3]  # a file is to be mended, not to be looked around in
    remedy = f"Did you mean {' or '.join(near)}?" if near else "`knockoff config` lists them."
    return f"{key}{from_where}: there is no such setting. {remedy}"


def checked(key: str, value: object, origin: str) -> object:
    """What one setting would be if `origin` said `value` of it.

    Raises
    ------
    SettingsError
        It cannot be used.
    """
    said: dict[str, Any] = {}
    _put(said, key, value)
    settings: Any = _validated(said, {key: origin})
    for name in key.split("."):
        settings = getattr(settings, name)
    found: object = settings
    return found


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *groups, name = key.split(".")
    for group in groups:
        values = values.setdefault(group, {})
    values[name] = value


def _by_key(
    choices: type[BaseModel], values: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Flatten `values` as far as `choices` has groups."""
    for name, value in values.items():
        group = group_in(choices, name)
        if group is not None and isinstance(value, dict):
            yield from _by_key(group, value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _complaint(details: ErrorDetails, origins: Mapping[str, str]) -> str:
    place = ".".join(map(str, details["loc"]))
    key, origin = next(
        ((k, o) for k, o in origins.items() if f"{place}.".startswith(f"{k}.")), (place, "default")
    )
    if details["type"] == "extra_forbidden":
        return refusal_of_key(key, origin)
    reason = details["msg"].removeprefix("Value error, ")
    return f"{key} (from {origin}): {_offender(key, details['input'])}{reason}."


def _offender(key: str, value: object) -> str:
    words = ("password", "secret")
    is_secret = isinstance(value, SecretStr) or key == "database" or any(w in key for w in words)
    return "" if is_secret or len(repr(value)) > 80 else f"{value!r} cannot be used: "
