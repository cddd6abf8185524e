"""What a context file is run with: versions of the interpreter and of what results depend on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

PACKAGES: Final = ("knockoff", "numpy", "xarray", "extra-data", "h5py")


@cache
def versions_here() -> tuple[tuple[str, str], ...]:
    """Name and version of Python and of each of `PACKAGES` that is installed in this process.

    >>> dict(versions_here()).keys() >= {"python", "numpy"}
    True
    """
    found = [("python", platform.python_version())]
    found += [(name, there) for name in PACKAGES if (there := _version(name))]
    return tuple(found)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # another interpreter has a link to knockoff, no installation
        return ""
