"""What a method reads from `self`, found in its source and in that of the methods it calls."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from knockoff.contextfile.assigning import attribute_of, may_have
from knockoff.contextfile.bases import bases_above, is_column_of
from knockoff.contextfile.drafts import column_of
from knockoff.contextfile.places import Place
from knockoff.contextfile.problems import nearest
from knockoff.contextfile.reads import touches_of
from knockoff.contextfile.sources import file_of, node_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from knockoff.contextfile.drafts import Draft
    from knockoff.contextfile.linking import Linker
    from knockoff.contextfile.reads import Touch

_METHODS_DEEP: Final = 20


class SelfReads:
    """Follows ``self.x`` through the plain methods, properties and bases of a class."""

    def __init__(self, linker: Linker) -> None:
        self._linker = linker

    def follow(
        self, draft: Draft, function: Callable[..., Any], through: tuple[str, ...] = ()
    ) -> None:
        """Add to a draft what `function` reads; `through` are the methods on the way to it."""
        if not draft.method:
            return
        node = node_of(function)
        if node is None:
            self._linker.problem(
                draft,
                f"the source of {draft.name} cannot be read, so what it depends on is not known.",
                "Keep it in a file or a notebook cell.",
            )
            return
        touches = touches_of(node)
        for touch in touches.supers:
            self._follow_super(draft, touch, function, through)
        for touch in touches.reads:
            read = draft.scope.resolve(touch.chain)
            if read.kind == "variable":
                draft.reads[column_of(read, self._linker.drafts)] = None
            elif read.kind == "field":
                if read.name not in draft.assigns:
                    draft.fields_read[read.name] = None
                self._linker.read_of_field(draft, read.name)
            elif read.kind == "other":
                self._follow(draft, touch, function, through)

    def _follow(
        self, draft: Draft, touch: Touch, caller: Callable[..., Any], through: tuple[str, ...]
    ) -> None:
        """A plain method or property of the class reads in the name of its caller."""
        name = touch.chain[0]
        attribute = attribute_of(draft.scope.owner, name)
        if attribute is None:
            private = getattr(draft.scope.owner, "__private_attributes__", {})  # Pydantic's
            if name in private:
                draft.constants[name] = getattr(private[name], "default", None)
            else:
                self._check_spelling(draft, touch, caller)
            return
        if name in through or len(through) > _METHODS_DEEP or name.startswith("__"):
            return
        function = _function_in(attribute)
        if function is None:
            draft.constants[name] = attribute
        elif node_of(function) is not None:
            draft.methods[function] = None
            if not isinstance(attribute, staticmethod):  # it has no self to read from
                self.follow(draft, function, (*through, name))

    def _follow_super(
        self,
        draft: Draft,
        touch: Touch,
        caller: Callable[..., Any],
        through: tuple[str, ...],
    ) -> None:
        """A method of a base reads in the name of its caller; a column is no method."""
        name = touch.chain[0]
        for base in bases_above(draft.scope.owner, caller):
            if is_column_of(base, name):
                self._linker.problem(
                    draft,
                    f"{draft.name} calls super().{name}, which is a column there and no method.",
                    f"Move what both need into a plain method _{name}, and call that in both.",
                    Place(file_of(caller), touch.line, touch.column),
                )
                return
            function = _function_in(vars(base).get(name))
            if function is not None:
                way = f"{base.__qualname__}.{name}"
                if way not in through and node_of(function) is not None:
                    draft.methods[function] = None
                    self.follow(draft, function, (*through, way))
                return

    def _check_spelling(self, draft: Draft, touch: Touch, function: Callable[..., Any]) -> None:
        name = touch.chain[0]
        known = {
            *draft.scope.members.variables,
            *draft.scope.members.fields,
            *draft.scope.groups,
            *draft.scope.parameters,
        }
        if name in draft.assigns or may_have(draft.scope.owner, name):
            return
        hint = nearest(name, known)
        message = f"{draft.name} reads self.{'.'.join(touch.chain)}, which is not there."
        place = Place(file_of(function), touch.line, touch.column)
        if hint.startswith("Did you mean"):
            self._linker.problem(draft, message, hint, place)
        else:
            self._linker.problem(draft, message, hint or "Write it in the class.", place, "note")


def _function_in(attribute: Any) -> Any:
    """The function of a method, property, static method or cached method; None for a value."""
    for name in ("fget", "__func__", "__wrapped__"):
        if not hasattr(attribute, "__code__"):
            attribute = getattr(attribute, name, attribute)
    if isinstance(attribute, cached_property):
        attribute = attribute.func
    return attribute if hasattr(attribute, "__code__") else None
