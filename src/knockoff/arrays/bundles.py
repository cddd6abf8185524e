"""Every kind of bulk value as one shape: named arrays with named axes, and back.

What goes to HDF5 is a `Bundle`; this file knows NumPy and Python values, `labelled` xarray,
`tabular` pandas, `groups` HDF5. None of them knows what the others do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from knockoff.arrays.figures import drawn
from knockoff.arrays.kinds import kind_of
from knockoff.arrays.plainness import offered
from knockoff.arrays.refusals import told
from knockoff.arrays.wire import JSON, UnsupportedValueError, from_json, to_json
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from numpy.typing import NDArray

    from knockoff.arrays.references import Kind


@dataclass(frozen=True, eq=False)
class Member:
    """One array of a bundle."""

    name: Hashable
    dims: tuple[Hashable, ...]
    """One name per axis; members that share an axis share its name."""
    array: NDArray[Any]
    attrs: Mapping[Hashable, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bulk value in parts that HDF5 knows."""

    kind: Kind
    members: tuple[Member, ...]
    main: bool = True
    """Whether the first member is the value itself and the others only accompany it."""
    extra: dict[str, JSON] = field(default_factory=dict)
    """What the kind needs beside its arrays; JSON."""
    attrs: Mapping[Hashable, Any] = field(default_factory=dict)
    """Attributes of the whole, as a Dataset has them."""


def bundled(value: Any) -> Bundle:
    """Take a bulk value apart. Arrays are not copied.

    Raises
    ------
    UnsupportedValueError
        The value, or an array in it, is of a type that cannot be stored.
    """
    with told(value):
        bundle = _taken_apart(drawn(value))
    for member in bundle.members:
        _refuse_nameless(member.array.dtype)
    return bundle


def _taken_apart(value: Any) -> Bundle:
    kind = kind_of(value)
    if kind == "ndarray":
        return Bundle("ndarray", (_plain_member("data", np.asarray(value)),))
    if kind == "masked":
        return _masked(value)
    if kind == "image":
        return Bundle("image", (_plain_member("data", value.pixels),))
    if kind == "plotly":
        return Bundle("plotly", (_text_member(value.text),))
    if kind is None:
        array = offered(value)
        if array is not value:
            return _taken_apart(array)
        text = json.dumps(to_json(value), ensure_ascii=True, separators=(",", ":"))
        return Bundle("json", (_text_member(text),))
    from knockoff.arrays import labelled, tabular

    if kind in ("series", "dataframe"):
        return tabular.bundled(value, kind)
    return labelled.bundled(value, kind)


def _refuse_nameless(dtype: np.dtype[Any]) -> None:
    """Refuse what HDF5 has no way to write: fields that have no name, elements without bytes."""
    element = dtype.base
    if element.kind == "V" and not element.itemsize:
        raise UnsupportedValueError(
            f"An array of dtype {dtype}, which takes no bytes,", "Return None, or its shape."
        )
    for name in element.names or ():
        if not name or "\0" in name:
            raise UnsupportedValueError(
                f"An array with a field called {name!r}", "Give the field another name."
            )
        assert element.fields is not None  # since it has names
        _refuse_nameless(element.fields[name][0])


def unbundled(bundle: Bundle) -> Any:
    """Put the value together again: equal to what `bundled` took, of the same type.

    Raises
    ------
    ArrayError
        The parts do not fit together.
    """
    first = bundle.members[0].array if bundle.members else None
    if bundle.kind in ("ndarray", "image"):
        return first
    if bundle.kind == "masked":
        fill = from_json(bundle.extra["fill_value"])
        with np.errstate(over="ignore"):  # NumPy's default does not fit into 16 bits
            return np.ma.MaskedArray(first, bundle.members[1].array, fill_value=fill)
    if bundle.kind in ("json", "plotly"):
        try:
            document = json.loads(bytes(bundle.members[0].array))
        except (ValueError, RecursionError) as error:
            raise ArrayError(f"The stored text is not JSON: {error}.") from error
        return document if bundle.kind == "plotly" else from_json(document)
    from knockoff.arrays import labelled, tabular

    if bundle.kind in ("series", "dataframe"):
        return tabular.unbundled(bundle)
    return labelled.unbundled(bundle)


def _plain_member(name: str, array: NDArray[Any]) -> Member:
    return Member(name, tuple(f"dim_{axis}" for axis in range(array.ndim)), array)


def _text_member(text: str) -> Member:
    return _plain_member("data", np.frombuffer(text.encode(), np.uint8))


def _masked(value: np.ma.MaskedArray[Any, Any]) -> Bundle:
    if value.dtype.hasobject:
        raise UnsupportedValueError(
            f"A masked array of dtype {value.dtype}", "Give it a dtype: array.astype(float), ..."
        )
    # a default does not fit into 16 bits, and one of text may be longer than the dtype
    with np.errstate(over="ignore"):
        fill = to_json(np.asarray(value.fill_value))
        default = np.asarray(np.ma.default_fill_value(value.dtype))
        if fill in (to_json(default), to_json(default.astype(value.dtype))):
            fill = None
    members = (
        _plain_member("data", np.asarray(value.data)),
        _plain_member("mask", np.ma.getmaskarray(value)),
    )
    return Bundle("masked", members, extra={"fill_value": fill})
