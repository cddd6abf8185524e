"""What xarray knows, as bundles, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knockoff.arrays.bundles import Bundle, Member
from knockoff.arrays.wire import from_json, to_json

if TYPE_CHECKING:
    import xarray as xr

    from knockoff.arrays.references import Kind
    from knockoff.arrays.wire import JSON


def bundled(value: Any, kind: Kind) -> Bundle:
    """Take a DataArray or Dataset apart; what Dask has not computed yet is computed."""
    if kind == "dataarray":
        main = _member(value.name, value.variable)
        coordinates, stacked = _coordinates(value)
        extra = {"name": to_json(value.name), "stacked": stacked}
        return Bundle(kind, (main, *coordinates), extra=extra)
    coordinates, stacked = _coordinates(value)
    variables = tuple(_member(name, value[name].variable) for name in value.data_vars)
    extra = {"variables": len(variables), "stacked": stacked}
    members = (*variables, *coordinates)
    return Bundle(kind, members, main=False, extra=extra, attrs=value.attrs)


def unbundled(bundle: Bundle) -> Any:
    """Put a DataArray or Dataset together again."""
    import xarray as xr

    variables = {member.name: _variable(member) for member in bundle.members}
    if bundle.kind == "dataset":
        count = bundle.extra["variables"]
        names = [member.name for member in bundle.members]
        data = {name: variables[name] for name in names[:count]}
        coordinates = {name: variables[name] for name in names[count:]}
        return _stacked(xr.Dataset(data, coordinates, dict(bundle.attrs)), bundle)
    coordinates = {member.name: variables[member.name] for member in bundle.members[1:]}
    main = bundle.members[0]
    array = xr.DataArray(
        main.array,
        coordinates,
        main.dims,
        name=from_json(bundle.extra["name"]),
        attrs=dict(main.attrs),
    )
    return _stacked(array, bundle)


def _member(name: Any, variable: xr.Variable) -> Member:
    return Member(name, variable.dims, variable.values, variable.attrs)


def _variable(member: Member) -> xr.Variable:
    import xarray as xr

    return xr.Variable(member.dims, member.array, dict(member.attrs))


def _coordinates(value: xr.DataArray | xr.Dataset) -> tuple[list[Member], JSON]:
    """Every coordinate, and which of them were stacked into one index along an axis.

    The tuples of such an index are not stored: its levels are, and say the same.
    """
    import pandas as pd  # type: ignore[import-untyped]

    stacked = []
    left_out = set()
    for name in value.dims:
        index = value.indexes.get(name)
        if isinstance(index, pd.MultiIndex):
            stacked.append([to_json(name), [to_json(level) for level in index.names]])
            left_out.add(name)
    members = [
        _member(name, coordinate.variable)
        for name, coordinate in value.coords.items()
        if name not in left_out
    ]
    return members, stacked


def _stacked(value: Any, bundle: Bundle) -> Any:
    """Stack again what was; an axis of which one element was selected stays apart."""
    for name, levels in bundle.extra["stacked"]:
        dim = from_json(name)
        if dim in value.dims:
            value = value.set_index({dim: [from_json(level) for level in levels]})
    return value
