"""Every kind of bulk value as one shape: named arrays with named axes, and back.

What goes to HDF5 is a `Bundle`; this file knows NumPy and Python values, `labelled` xarray,
`tabular` pandas, `groups` HDF5. None of them knows what the others do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from knockoff.arrays.kinds import kind_of
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
    kind = kind_of(value)
    if kind == "ndarray":
        return Bundle("ndarray", (_plain_member("data", np.asarray(value)),))
    if kind == "masked":
        return _masked(value)
    if kind is None:
        text = json.dumps(to_json(value), ensure_ascii=True, separators=(",", ":"))
        return Bundle("json", (_plain_member("data", np.frombuffer(text.encode(), np.uint8)),))
    from knockoff.arrays import labelled, tabular

    if kind in ("series", "dataframe"):
        return tabular.bundled(value, kind)
    return labelled.bundled(value, kind)


def unbundled(bundle: Bundle) -> Any:
    """Put the value together again: equal to what `bundled` took, of the same type.

    Raises
    ------
    ArrayError
        The parts do not fit together.
    """
    first = bundle.members[0].array if bundle.members else None
    if bundle.kind == "ndarray":
        return first
    if bundle.kind == "masked":
        fill = from_json(bundle.extra["fill_value"])
        return np.ma.MaskedArray(first, bundle.members[1].array, fill_value=fill)
    if bundle.kind == "json":
        try:
            return from_json(json.loads(bytes(bundle.members[0].array)))
        except ValueError as error:
            raise ArrayError(f"The stored text is not JSON: {error}.") from error
    from knockoff.arrays import labelled, tabular

    if bundle.kind in ("series", "dataframe"):
        return tabular.unbundled(bundle)
    return labelled.unbundled(bundle)


def _plain_member(name: str, array: NDArray[Any]) -> Member:
    return Member(name, tuple(f"dim_{axis}" for axis in range(array.ndim)), array)


def _masked(value: np.ma.MaskedArray[Any, Any]) -> Bundle:
    if value.dtype.names:
        raise UnsupportedValueError(
            "A masked array with named fields", "Return one masked array per field."
        )
    with np.errstate(over="ignore"):  # NumPy's default does not fit into 16 bits
        fill = to_json(value.fill_value)
    if fill == to_json(np.ma.default_fill_value(value)):  # which may be longer than its dtype
        fill = None
    members = (
        _plain_member("data", np.asarray(value.data)),
        _plain_member("mask", np.ma.getmaskarray(value)),
    )
    return Bundle("masked", members, extra={"fill_value": fill})
