"""Which interpreter and libraries this process computes with."""

from __future__ import annotations

import platform
import sys
from typing import Final

_TOLD: Final = ("numpy", "h5py", "xarray", "extra_data")


def versions_loaded() -> dict[str, str]:
    """Versions by name; of libraries only those that were imported."""
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in _TOLD}
    loaded = {name: version for name, version in found.items() if isinstance(version, str)}
    return {"python": platform.python_version(), **loaded}
