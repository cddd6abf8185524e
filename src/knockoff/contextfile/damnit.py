"""What a file that was written for DAMNIT imports: our words under the names that it has there."""

from __future__ import annotations

import importlib
import re
import sys
import types
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DAMNIT_WORDS: Final[dict[str, str]] = {
    "Cell": "knockoff.language.cell",
    "Group": "knockoff.language.group",
    "GroupError": "knockoff.language.group",
    "Pipeline": "knockoff.filling.pipeline",  # of a floor above, so only its name is known here
    "RunData": "knockoff.contextfile.damnit",
    "Skip": "knockoff.language.cell",
    "Variable": "knockoff.language.variable",
    "isinstance_no_import": "knockoff.contextfile.damnit",
}
"""The module in which each word is found, when a file asks for it."""

MODULES: Final = (
    "damnit_ctx",
    "damnit.context",
    "damnit.ctxsupport.damnit_ctx",
    "amore_mid_prototype.context",  # as DAMNIT was called in the beginning
)
"""Where a DAMNIT file may import its words from."""

_PACKAGES: Final = ("damnit", "damnit.ctxsupport", "amore_mid_prototype")

_REFUSED: Final = re.compile(r"cannot import name '(\w+)'")


class RunData(Enum):
    """Kinds of data, as in ``@Variable(data=RunData.PROC)``."""

    RAW = "raw"
    PROC = "proc"
    ALL = "all"


def isinstance_no_import(value: object, module: str, cls: str) -> bool:
    """Whether `value` is of a class of a module, which is not imported to find out."""
    found = getattr(sys.modules.get(module), cls, None)
    return isinstance(found, type) and isinstance(value, found)


@contextmanager
def damnit_words() -> Iterator[None]:
    """Answer ``from damnit_ctx import Variable`` while a context file, or a method of it, is run.

    DAMNIT itself may be installed as well; its words are of no use to us.
    """
    if sys.meta_path[0] is _FINDER:
        yield  # a pipeline within a variable
        return
    before: dict[str, types.ModuleType] = {
        name: sys.modules.pop(name) for name in MODULES if name in sys.modules
    }
    ours = set(_PACKAGES) - sys.modules.keys()
    sys.meta_path.insert(0, _FINDER)
    try:
        yield
    finally:
        sys.meta_path.remove(_FINDER)
        for name in (*MODULES, *ours):
            sys.modules.pop(name, None)
        sys.modules.update(before)


@dataclass(frozen=True)
class UnknownWord:
    """Something that a file imports and that we do not have."""

    word: str
    message: str
    remedy: str


def unknown_word(error: BaseException) -> UnknownWord | None:
    """What to say where a file asks for a word that we do not have; None for other errors."""
    if isinstance(error, ImportError):
        module, match = error.name, _REFUSED.match(str(error))
        word = match[1] if match else ""
    else:
        module = getattr(getattr(error, "obj", None), "__name__", None)
        word = getattr(error, "name", None) or ""
    if module not in (*MODULES, *_PACKAGES) or not word:
        return None
    known = ", ".join(sorted(DAMNIT_WORDS))
    remedy = nearest(word, DAMNIT_WORDS) or f"There are {known}."
    return UnknownWord(word, f"{module} has no {word}.", remedy)


class _Words(types.ModuleType):
    """A module that fetches each word when it is first asked for."""

    __all__ = tuple(word for word in DAMNIT_WORDS if word[0].isupper())

    def __getattr__(self, name: str) -> Any:
        if name not in DAMNIT_WORDS:
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self
            )
        word = getattr(importlib.import_module(DAMNIT_WORDS[name]), name)
        setattr(self, name, word)
        return word


class _Finder:
    """Finds the modules of DAMNIT that context files import; each time they are made anew."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _: object = None
    ) -> ModuleSpec | None:
        if name not in MODULES and (name not in _PACKAGES or PathFinder.find_spec(name, path)):
            return None
        spec = ModuleSpec(name, self)  # type: ignore[arg-type]
        spec.submodule_search_locations = [] if name in _PACKAGES else None
        return spec

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return types.ModuleType(spec.name) if spec.name in _PACKAGES else _Words(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: a word is fetched when it is asked for."""


_FINDER: Final[Any] = _Finder()
