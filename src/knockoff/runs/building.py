"""Build a Beanie class from the description of a table.

Every class is built afresh, the notebook's too, on a model that Beanie has never
initialised; the recorder's class knows the fields of a table and none of its code.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from beanie import Document
from pydantic import BaseModel, ConfigDict, Field, create_model

from knockoff.contextfile.names import attribute_for
from knockoff.runs.documents import RunDocument
from knockoff.runs.rows import RowFields

if TYPE_CHECKING:
    from knockoff.contextfile.description import TableDescription
    from knockoff.runs.slot import Filler


def build(
    table: TableDescription, *, body: type[RowFields] | None = None, filler: Filler | None = None
) -> type[RunDocument]:
    """The Beanie class of one table.

    Result fields take any value, so that a row which an older context wrote can
    always be read. ``Runs.hits`` and ``Runs.xgm_sa2.corrected`` are query expressions
    once Beanie has initialised the class.

    Parameters
    ----------
    table:
        As the worker described it.
    body:
        In a notebook the user's own fields and methods; None where user code must not be.
    filler:
        Who fills its documents; None for whoever is in the slot.
    """
    tree = _tree(table)
    fields: dict[str, Any] = {}
    for name, below in tree.items():
        if body is not None and name in body.model_fields:
            continue
        attribute = attribute_for(name)
        alias = name if attribute != name else None
        fields[attribute] = _field(f"{table.name}_{name}", below, alias)
    metaclass: Any = type(body if body is not None else RowFields)
    with warnings.catch_warnings():  # a class that is no table lends its methods, as columns
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute in parent")
        made: Any = metaclass(
            table.name,
            (body or RowFields, RunDocument, Document),
            {
                "__module__": body.__module__ if body is not None else __name__,
                "__qualname__": table.name,
                "__doc__": table.description,
                "__annotations__": {
                    "Settings": ClassVar[type],
                    **{name: kind for name, (kind, _) in fields.items()},
                },
                **{name: default for name, (_, default) in fields.items()},
                "Settings": _settings(table, getattr(body, "Settings", object)),
                "__knockoff_built__": True,
            },
        )
    made.__knockoff_table__ = table
    made.__knockoff_filler__ = filler
    document: type[RunDocument] = made
    return document


def _tree(table: TableDescription) -> dict[str, Any]:
    """Fields by name; a group is a dict of its fields, a leaf is its default."""
    tree: dict[str, Any] = {}
    hooks = {variable.name for variable in table.variables if variable.hook}
    for field in table.fields:
        _plant(tree, field.name, _Leaf(field.default))
    for variable in table.variables:
        for output in variable.outputs:
            if output not in hooks and not variable.transient:
                _plant(tree, output, _Leaf(None))
    return tree


class _Leaf:
    def __init__(self, default: Any) -> None:
        self.default = default


def _plant(tree: dict[str, Any], name: str, leaf: _Leaf) -> None:
    first, _, rest = name.partition(".")
    if not rest:
        tree.setdefault(first, leaf)
        return
    below = tree.setdefault(first, {})
    if isinstance(below, dict):
        _plant(below, rest, leaf)


def _field(name: str, below: Any, alias: str | None) -> tuple[Any, Any]:
    if isinstance(below, _Leaf):
        return Any, Field(default=below.default, alias=alias)
    inner: dict[str, Any] = {
        attribute_for(each): _field(
            f"{name}_{each}", part, each if attribute_for(each) != each else None
        )
        for each, part in below.items()
    }
    group = create_model(name, __base__=_GroupFields, **inner)
    return group, Field(default_factory=group, alias=alias)


class _GroupFields(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)


def _settings(table: TableDescription, own: type) -> type:
    return type("Settings", (own,), {"name": table.collection, "keep_nulls": False})
