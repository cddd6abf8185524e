"""What a method may assign to `self`: a hook its fields, a variable nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.contextfile.reads import touches_of
from knockoff.contextfile.sources import node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.reads import Touch
    from knockoff.contextfile.scope import Scope


def assignments(function: Any, owner: object | None) -> tuple[Touch, ...]:
    """Where a method assigns to `self`, in its own source and in plain methods that it calls."""
    node = node_of(function)
    if node is None:
        return ()
    touches = touches_of(node)
    found = list(touches.assigns)
    for touch in touches.reads:
        called = attribute_of(owner, touch.chain[0])
        node = node_of(called) if hasattr(called, "__code__") else None
        if node is not None and called is not function:
            found.extend(touches_of(node).assigns)
    return tuple(found)


def refused(touch: Touch, scope: Scope, *, method: str, is_hook: bool) -> Iterator[tuple[str, str]]:
    """Why this assignment would be lost, and what to do instead; nothing if it is well.

    A variable's result is what it returns. A hook fills the fields that the class
    declares, and neither what a variable computes nor what every row has.
    """
    name = touch.chain[0]
    kind = scope.resolve(touch.chain[:1]).kind
    declared = name in scope.members.fields
    private = name.startswith("_") or attribute_of(scope.owner, name) is not None
    if not is_hook:
        if kind in ("variable", "field"):
            yield (
                f"{method} assigns self.{name}, which is lost: its result is what it returns.",
                f"Return it, or fill {name!r} from a method below @after_event(Insert, Update).",
            )
    elif kind == "variable":
        yield (
            f"{method} assigns self.{name}, which the variable of that name computes.",
            "Assign a field of another name.",
        )
    elif kind == "field" and not declared:
        yield (
            f"{method} assigns self.{name}, which is not the context file's to fill.",
            "Declare a field of your own in the class, and assign that.",
        )
    elif kind == "other" and not private:
        yield (
            f"{method} assigns self.{name}, and the class has no such field.",
            f"Declare it in the class: {name}: str, or whatever its type is.",
        )


def attribute_of(owner: object | None, name: str) -> Any:
    """What the class of `owner`, or one of its bases, has under this name; None for nothing."""
    cls = owner if isinstance(owner, type) else type(owner)
    for each in cls.__mro__:
        if name in vars(each):
            return vars(each)[name]
    return None


def may_have(owner: object | None, name: str) -> bool:
    """Whether `owner` has what its class does not show: a field of Pydantic, what ``__init__`` set.

    A name that begins with ``_`` is the author's own business.
    """
    fields = getattr(owner, "model_fields", {})
    return name.startswith("_") or name in fields or hasattr(owner, name)
