"""What can be wrong with several outputs of one method: their names, titles, and words beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.describing import parts_of, title_of
from knockoff.contextfile.places import place_of_attribute, place_of_option, place_of_return
from knockoff.contextfile.problems import Problem
from knockoff.contextfile.sources import file_of
from knockoff.language.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.outputs import Output
    from knockoff.contextfile.places import Place

_OF_THE_METHOD: Final = (
    "data", "cluster", "transient", "event", "direction", "timeout", "retries", "cpus", "memory",
    "gpus",
)  # fmt: skip
"""Arguments of `Variable` that say how a method runs, and so cannot differ between outputs."""

_OF_AN_OUTPUT: Final = ("summary", "units")
"""Those that say what a value is, and so mean nothing for several of them."""


def problems_of_parts(drafts: Mapping[str, Draft]) -> list[Problem]:
    """All that is wrong with the outputs of the methods that have several."""
    titles = {title_of(each): each.name for each in drafts.values() if not each.returns}
    found: list[Problem] = []
    for draft in drafts.values():
        for place, message, remedy in _wrong_with(draft, titles):
            found.append(Problem(place.file, place.line, place.column, message, remedy))
    return found


def _wrong_with(draft: Draft, titles: dict[str, str]) -> Iterator[tuple[Place, str, str]]:
    if draft.returns is None:
        return
    for option in _OF_AN_OUTPUT:
        if getattr(draft.variable, option) is not None:
            yield (
                place_of_option(draft.function, option),
                f"{draft.name} has {option}=, and several outputs.",
                f"Write it beside the output that it is meant for, in {draft.returns.kind.__name__}"
                f": {draft.returns.names[0]}: Annotated[…, Variable({option}=…)].",
            )
    for output, column in zip(draft.returns.outputs, parts_of(draft), strict=True):
        place = _place_of(output, draft)
        if not output.name.isidentifier():
            yield (
                place,
                f"an output of {draft.name} cannot be called {output.name!r}: MongoDB and Python "
                "have to be able to spell it.",
                "Use letters, digits and underscores, and start with a letter.",
            )
        for option in _options_of_method(output):
            yield (
                place,
                f"{column.name} has {option}=, which is decided for all outputs of a method.",
                f"Write it in the Variable of {draft.name}.",
            )
        if column.title in titles:
            yield (
                place,
                f"{column.name} and {titles[column.title]} have the same title {column.title!r}.",
                "Give one of them another title.",
            )
        titles[column.title] = column.name


def _options_of_method(output: Output) -> tuple[str, ...]:
    usual: Any = Variable()
    given = output.variable or usual
    return tuple(
        option for option in _OF_THE_METHOD if getattr(given, option) != getattr(usual, option)
    )


def _place_of(output: Output, draft: Draft) -> Place:
    """Where the class declares an output, if that is in the same file; else the return hint."""
    assert draft.returns is not None  # it has outputs
    kind = draft.returns.kind
    if kind.__module__ == draft.function.__module__:
        place = place_of_attribute(file_of(draft.function), kind.__name__, output.name)
        if place.line:
            return place
    return place_of_return(draft.function)
