"""Data on a disk that is mounted for reading only, as it is within a sandbox."""

from __future__ import annotations

import errno
import functools
import logging
import sys
from typing import Any

log = logging.getLogger(__name__)


def bear_read_only_data() -> None:
    """Let extra-data open runs where nobody may write; to be called once it is imported.

    It keeps a list of a run's files beside them, or in ``scratch``. That it may not is
    expected there (`PermissionError`); that the whole disk is read-only is not, and
    was raised (extra-data 1.23).
    """
    module: Any = sys.modules.get("extra_data.run_files_map")
    save = getattr(getattr(module, "RunFilesMap", None), "save", None)
    if save is None or hasattr(save, "__wrapped__"):
        return

    @functools.wraps(save)
    def saved(self: Any, files: Any) -> None:
        try:
            save(self, files)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            log.debug("The list of files is not kept: %s", error)

    module.RunFilesMap.save = saved
