"""The parts of a table in plain data: titles, types, hashes, indexes."""

from __future__ import annotations

import datetime as dt
import enum
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from knockoff.contextfile.description import (
    ColumnDescription,
    FieldDescription,
    IndexDescription,
    VariableDescription,
)
from knockoff.contextfile.hashes import code_hash
from knockoff.contextfile.outputs import returned_type
from knockoff.contextfile.schemas import limited, name_of, schema_of
from knockoff.contextfile.scope import in_words
from knockoff.contextfile.sources import line_of
from knockoff.language.members import MISSING

if TYPE_CHECKING:
    from pathlib import Path

    from knockoff.contextfile.drafts import Draft
    from knockoff.language.members import Field
    from knockoff.language.variable import Variable


def described_variable(draft: Draft, folder: Path, place: int) -> VariableDescription:
    """What the recorder learns of one variable or hook."""
    variable, hook = draft.variable, draft.hook
    events = hook.events if hook else (variable.event if variable else None)
    documentation = inspect.getdoc(draft.function) or ""
    return VariableDescription(
        name=draft.name,
        title=title_of(draft),
        outputs=draft.outputs,
        data=draft.data,
        events=events if events is not None else ("Insert", "Update"),
        direction=draft.direction,
        code=code_hash(
            draft.function,
            folder=folder,
            options=_options(draft),
            parameters={**draft.scope.parameters, **draft.scope.linked},
            methods=draft.methods,
            constants={**draft.constants, **_reducers(draft)},
        ),
        reads=tuple(draft.reads),
        may_read=tuple(name for name in draft.may_read if name not in draft.reads),
        computed_with=draft.computed_with,
        fields_read=tuple(draft.fields_read),
        catalogue_reads=tuple(
            dict.fromkeys(each.name for each in draft.inputs if each.kind == "mymdc")
        ),
        reads_elsewhere=tuple(draft.reads_elsewhere),
        may_read_elsewhere=tuple(
            name for name in draft.may_read_elsewhere if name not in draft.reads_elsewhere
        ),
        fields_elsewhere=tuple(draft.fields_elsewhere),
        description=(variable and variable.description) or documentation,
        units=variable.units if variable else None,
        tags=tuple(sorted({*draft.scope.tags, *(variable.tags if variable else ())})),
        type=name_of(returned_type(draft.function)),
        summary=_name_of_summary(variable) if draft.returns is None else None,
        line=line_of(draft.function),
        place=place,
        parts=parts_of(draft),
        hook=hook is not None,
        cluster=draft.cluster,
        transient=bool(variable and variable.transient),
        timeout=variable.timeout if variable else None,
        retries=variable.retries if variable else None,
        cpus=variable.cpus if variable else None,
        memory=variable.memory if variable else None,
        gpus=variable.gpus if variable else None,
    )


def title_of(draft: Draft) -> str:
    """The header of a column, its groups' titles in front."""
    own = (draft.variable and draft.variable.title) or in_words(draft.name.rpartition(".")[2])
    return "".join((*draft.scope.titles, own))


def parts_of(draft: Draft) -> tuple[ColumnDescription, ...]:
    """The columns of several outputs; without words of its own each has those of the method."""
    if draft.returns is None:
        return ()
    documentation = inspect.getdoc(draft.function) or ""
    above = draft.variable.tags if draft.variable else ()
    parts = []
    for output in draft.returns.outputs:
        own = output.variable
        title = (own and own.title) or in_words(output.name)
        parts.append(
            ColumnDescription(
                name=f"{draft.name}.{output.name}",
                title=draft.scope.separator.join((title_of(draft), title)),
                description=(own and own.description)
                or (draft.variable and draft.variable.description)
                or documentation,
                units=own.units if own else None,
                tags=tuple(sorted({*draft.scope.tags, *above, *(own.tags if own else ())})),
                type=name_of(output.type),
                summary=_name_of_summary(own),
            )
        )
    return tuple(parts)


def described_field(field: Field, place: int) -> FieldDescription:
    """What the recorder learns of a field that the class declares."""
    editable = field.editable
    return FieldDescription(
        name=field.name,
        title=(editable and editable.title) or in_words(field.name),
        schema=described_schema(field),
        editable=editable is not None,
        default=default_of(field),
        description=(editable and editable.description) or "",
        units=editable.units if editable else None,
        tags=_tags(editable.tags if editable else ()),
        type=name_of(field.type),
        place=place,
    )


def described_schema(field: Field) -> dict[str, Any]:
    """The schema of a field, with the limits that Pydantic's ``Field(...)`` as default gives."""
    return limited(schema_of(field.type), (field.default,))


def indexes_of(settings: Any) -> tuple[IndexDescription, ...]:
    """Read ``Settings.indexes`` in the forms that Beanie takes."""
    return tuple(_index(each) for each in getattr(settings, "indexes", ()))


def _index(index: Any) -> IndexDescription:
    if isinstance(index, str):
        return IndexDescription(((index, 1),))
    if hasattr(index, "document"):  # pymongo's IndexModel
        options = dict(index.document)
        keys = tuple((name, direction) for name, direction in options.pop("key").items())
        return IndexDescription(keys, options)
    return IndexDescription(tuple((name, direction) for name, direction in index))


def _options(draft: Draft) -> str:
    """What of the hints decides about the value: the summaries, and which outputs there are."""
    summaries = [_name_of_summary(each) or "" for each in _hints(draft)]
    if draft.returns is None:
        return summaries[0]
    of = zip(draft.returns.names, summaries, strict=True)
    return ", ".join(f"{name}: {summary}" for name, summary in of)


def _reducers(draft: Draft) -> dict[str, Any]:
    """The summaries that are functions, or made of one; what they are made of counts, too."""
    summaries = {
        f"summary {place}": hint and hint.summary for place, hint in enumerate(_hints(draft))
    }
    return {name: each for name, each in summaries.items() if callable(each)}


def _hints(draft: Draft) -> tuple[Variable[Any] | None, ...]:
    """One for each column."""
    if draft.returns is None:
        return (draft.variable,)
    return tuple(output.variable for output in draft.returns.outputs)


def _name_of_summary(hint: Variable[Any] | None) -> str | None:
    summary = hint.summary if hint else None
    if summary is None or isinstance(summary, str):
        return summary
    function = inspect.unwrap(summary.func if isinstance(summary, partial) else summary)
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def default_of(field: Field) -> Any:
    """The default as plain data; None where it is missing or made anew for each row.

    An enum is its value, a date or datetime its ISO text: a description is JSON.
    """
    default = field.default
    if default is MISSING or type(default).__name__ == "PydanticUndefinedType":
        return None
    if hasattr(default, "get_default"):  # pydantic's Field(...)
        default = default.get_default()
    if isinstance(default, enum.Enum):
        default = default.value
    if isinstance(default, dt.date):
        return default.isoformat()
    plain = default is None or isinstance(default, bool | int | float | str | list | dict)
    return default if plain and type(default).__name__ != "PydanticUndefinedType" else None


def _tags(tags: Any) -> tuple[str, ...]:
    return (tags,) if isinstance(tags, str) else tuple(tags)
