"""One setting written into ``knockoff.toml``, or taken out; all else in the file stays as it is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from knockoff.errors import SettingsError
from knockoff.settings.choices import keys_below, kind_of, plain_value, shown
from knockoff.settings.reading import (
    checked,
    is_open,
    is_secret,
    read_toml,
    refusal_of_key,
    variable_of,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tomlkit import TOMLDocument

    from knockoff.settings.choices import Plain


def write_setting(file: Path, key: str, text: str) -> str:
    """Set `key` in `file` to what somebody has typed, and return it as it is shown.

    Raises
    ------
    SettingsError
        There is no such setting, it cannot have that value, the file cannot be written, or
        it is a secret and others may read the file. The file is then as it was.
    """
    _refuse_unknown(key)
    value = checked(key, text, "the command line")
    if is_secret(key, text) and is_open(file):
        raise SettingsError(
            f"{key} is a secret, and others may read {file}. "
            f"Set {variable_of(key)} in the environment instead, or run first: chmod 600 {file}"
        )
    document = _document(file)
    *groups, name = key.split(".")
    table: MutableMapping[str, Any] = document
    for depth, group in enumerate(groups, 1):
        if group not in table:
            table[group] = tomlkit.table(is_super_table=depth < len(groups))
        table = table[group]
    table[name] = _for_file(key, text, value)
    _replace(file, document)
    return shown(value)


def unset(file: Path, key: str) -> bool:
    """Take `key` out of `file`; tell whether it was in there.

    Raises
    ------
    SettingsError
        There is no such setting, not in the file either, or the file cannot be written.
    """
    document = _document(file)
    *groups, name = key.split(".")
    tables: list[Any] = [document]
    for group in groups:
        tables.append(tables[-1].get(group) if isinstance(tables[-1], dict) else None)
    if not isinstance(tables[-1], dict) or name not in tables[-1]:
        _refuse_unknown(key)
        return False
    if key == "proposal":
        raise SettingsError(f"{key} says whose workspace this is, and stays in {file}.")
    del tables[-1][name]
    while groups and not tomlkit.dumps(tables.pop()).strip():  # not even a comment is left
        del tables[-1][groups.pop()]
    _replace(file, document)
    return True


def _refuse_unknown(key: str) -> None:
    if key == "proposal":
        raise SettingsError(
            "proposal says whose workspace this is. Make another one with: knockoff init 1234"
        )
    below = keys_below(key)
    if below and below != [key]:
        raise SettingsError(f"{key} is a group. Say which of it: {', '.join(below)}.")
    if not below:
        raise SettingsError(refusal_of_key(key))


def _for_file(key: str, text: str, value: object) -> Plain:
    """The value as it stands in the file: numbers typed, but paths and secrets as they were said.

    A relative path is relative to the workspace, which may be moved.
    """
    kind = kind_of(key)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return text if kind in ("path", "secret") else plain_value(value)


def _document(file: Path) -> TOMLDocument:
    read_toml(file)  # its refusals are ours
    try:
        return tomlkit.parse(file.read_text(encoding="utf-8"))
    except (TOMLKitError, OSError) as error:
        raise SettingsError(f"{file} cannot be read: {error}. Correct that place.") from error


def _replace(file: Path, document: TOMLDocument) -> None:
    """Put the new text in place of the old one at once, for whoever reads it meanwhile."""
    file = file.resolve()
    text = tomlkit.dumps(document).rstrip("\n") + "\n"
    try:
        mode = file.stat().st_mode & 0o777
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as new:
            try:
                new.write(text)
                new.flush()
                os.fchmod(new.fileno(), mode)
                os.fsync(new.fileno())
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written ({error.strerror}). Ask its owner, {_owner(file)}, to do it."
        ) from error


def _owner(file: Path) -> str:
    try:
        return file.owner()
    except (KeyError, OSError):
        return "whoever that is"
