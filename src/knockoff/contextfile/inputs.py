"""What each parameter of a variable's function is given."""

from __future__ import annotations

import inspect
import re
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin
from unicodedata import normalize

from knockoff.language.marks import Source, marks_in
from knockoff.language.members import MISSING, evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

InputKind = Literal["data", "var", "self", "meta", "mymdc", "param", "source", "nothing"]

PREFIXES: Final = ("var", "self", "meta", "mymdc", "param", "input")
METADATA: Final = ("run_number", "proposal", "proposal_path")
MYMDC: Final = ("run_type", "sample_name", "techniques")

_TEXT_IN_TEXT: Final = 2
"""How often a hint is text: once in quotes, once more by ``from __future__ import annotations``."""

_MARK = re.compile(r"\s*([A-Za-z_]\w*)#\s*(.*\S)\s*", re.DOTALL)


@dataclass(frozen=True)
class Input:
    """One parameter and where its value comes from."""

    parameter: str
    kind: InputKind
    name: str = ""
    """What follows the ``#``: a variable or a pattern of names, or a piece of metadata."""

    source: Source | None = None
    default: Any = MISSING
    keyword: bool = True

    @property
    def optional(self) -> bool:
        """Whether the variable runs without it."""
        return self.default is not MISSING

    @property
    def pattern(self) -> bool:
        """Whether `name` stands for several variables, which are given as a dict."""
        return any(character in self.name for character in "*?[")


@dataclass(frozen=True)
class UnknownPrefix:
    """A mark such as ``"vars#hits"`` whose prefix nobody knows."""

    parameter: str
    prefix: str


def inputs_of(
    function: Callable[..., Any], *, method: bool, module: Mapping[str, Any]
) -> tuple[tuple[Input, ...], tuple[UnknownPrefix, ...]]:
    """Read the parameters of a function; a method's `self` is left out.

    The run's data is the parameter annotated with ``DataCollection``, else the
    first one without a mark; of a function also if it has a default, or is ``*args``.
    Any other parameter without a mark but with a default keeps it.
    An input of kind ``"nothing"`` is a parameter that no value can be found for.
    """
    parameters = list(inspect.signature(function).parameters.values())[1 if method else 0 :]
    inputs: list[Input] = []
    unknown: list[UnknownPrefix] = []
    unmarked: list[inspect.Parameter] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL and parameter is parameters[0] and not method:
            inputs.append(Input(parameter.name, "data", keyword=False))
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        mark = _mark(parameter.annotation, module)
        default = MISSING if parameter.default is parameter.empty else parameter.default
        keyword = parameter.kind is not parameter.POSITIONAL_ONLY
        if isinstance(mark, Source):
            inputs.append(Input(parameter.name, "source", "", mark, default, keyword))
        elif mark == "data":
            keyword = _is_by_name(parameter, parameters)
            inputs.append(Input(parameter.name, "data", "", None, default, keyword))
        elif isinstance(mark, tuple):
            prefix, name = mark[0], normalize("NFKC", mark[1])  # as Python does with names: µ
            if prefix not in PREFIXES:
                unknown.append(UnknownPrefix(parameter.name, prefix))
                continue
            kind: Any = "param" if prefix == "input" else prefix
            inputs.append(Input(parameter.name, kind, name, None, default, keyword))
        else:
            unmarked.append(parameter)
    if unmarked and not any(each.kind == "data" for each in inputs):
        first = unmarked[0]
        if first.default is first.empty or (first is parameters[0] and not method):
            unmarked.pop(0)
            keyword = _is_by_name(first, parameters)
            inputs.insert(0, Input(first.name, "data", keyword=keyword))
    inputs.extend(
        Input(parameter.name, "nothing")
        for parameter in unmarked
        if parameter.default is parameter.empty
    )
    return tuple(inputs), tuple(unknown)


def _is_by_name(parameter: inspect.Parameter, parameters: list[inspect.Parameter]) -> bool:
    """Whether it is given by name: a decorator may call the first parameter otherwise."""
    return parameter is not parameters[0] or parameter.kind is parameter.KEYWORD_ONLY


def _mark(annotation: Any, module: Mapping[str, Any]) -> Source | Literal["data"] | Any:
    """What an annotation says: a `Source`, "data", (prefix, name), or None."""
    for _ in range(_TEXT_IN_TEXT):
        if isinstance(annotation, str) and not _MARK.fullmatch(annotation):
            annotation = evaluated(annotation, module, {})
    for mark in (annotation, *marks_in(annotation)):
        if isinstance(mark, Source):
            return mark
        text = _MARK.fullmatch(mark) if isinstance(mark, str) else None
        if text is not None:
            return text[1], text[2]
    return "data" if "DataCollection" in map(_last_name, _kinds_in(annotation)) else None


def _kinds_in(annotation: Any) -> tuple[Any, ...]:
    """The type that is annotated; of a union, each."""
    if get_origin(annotation) is Annotated:
        return _kinds_in(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for each in get_args(annotation) for kind in _kinds_in(each))
    return (annotation,)


def _last_name(kind: Any) -> str:
    """Of ``extra_data.DataCollection``, a class or text, what stands behind the dots."""
    text = kind if isinstance(kind, str) else getattr(kind, "__forward_arg__", "")
    return text.rpartition(".")[2] or getattr(kind, "__name__", "")
