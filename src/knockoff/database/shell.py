"""Which program to talk to MongoDB with."""

from __future__ import annotations

import shutil

from knockoff.database.client import without_password


def shell_command(uri: str, database: str | None = None) -> list[str] | None:
    """Command line of mongosh, or nothing where it is not installed.

    A password is left out, so that mongosh asks for it: what a command line
    holds, every user of the machine can read.
    """
    mongosh = shutil.which("mongosh")
    if mongosh is None:
        return None
    command = [mongosh, without_password(uri)]
    if database is not None:
        command += ["--eval", f'db = db.getSiblingDB("{database}")', "--shell"]
    return command
