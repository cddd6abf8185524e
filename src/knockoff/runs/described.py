"""Read a description that came from elsewhere: nothing in it is taken on trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from knockoff.contextfile.description import DESCRIPTION_VERSION, ContextDescription
from knockoff.errors import ContextFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADAPTER = TypeAdapter(ContextDescription)


def read_description(document: Mapping[str, Any]) -> ContextDescription:
    """Check a description, as a worker sent it or as it lies in the database.

    Raises
    ------
    ContextFileError
        It is no description, or one of another version.
    """
    version = document.get("version")
    if version != DESCRIPTION_VERSION:
        raise ContextFileError(
            f"The description of the context file has version {version!r}, and this knockoff "
            f"reads {DESCRIPTION_VERSION}. Use one version of knockoff throughout."
        )
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"])
        raise ContextFileError(
            f"The description of the context file is damaged at {place}: {first['msg']}."
        ) from error
