"""One bundle as one HDF5 group, and back.

Every array is a dataset, and what HDF5 cannot say of it stands as JSON in the group's attribute
``knockoff``. Only these are read back; what `netcdf` adds is for readers from outside.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from knockoff.arrays.bundles import Bundle, Member
from knockoff.arrays.compression import layout
from knockoff.arrays.encoding import decoded, encoded
from knockoff.arrays.netcdf import Names, attach_scales, show_attributes
from knockoff.arrays.selection import by_name, read_selected
from knockoff.arrays.wire import JSON, UnsupportedValueError, from_json, to_json
from knockoff.errors import ArrayError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from numpy.typing import NDArray

    from knockoff.arrays.compression import Compression
    from knockoff.arrays.selection import Selection

HEADER: Final = "knockoff"
LAYOUT_VERSION: Final = 1

_HEADER: Final = HEADER.encode()
_PLAIN: Final = json.dumps(
    {"version": LAYOUT_VERSION, "kind": "ndarray", "main": True, "how": "as is"}
)[:-1]
"""How the header begins where there is one array, stored as it is."""

_TEXTS: Final = frozenset({"json", "plotly"})
_LABELLED: Final = frozenset({"dataarray", "dataset", "series", "dataframe"})


def write_group(group: h5py.Group, bundle: Bundle, compression: Compression) -> str:
    """Write a bundle into an empty group.

    Returns
    -------
    :
        Name of the main dataset in `group`; empty for a bundle that has none.

    Raises
    ------
    UnsupportedValueError
        An array or attribute is of a type that cannot be stored.
    """
    labelled = bundle.kind in _LABELLED
    names = Names()
    datasets: list[h5py.Dataset] = []
    header: list[JSON] = []
    for position, member in enumerate(bundle.members):
        is_main = bundle.main and position == 0
        what = _what(bundle, member, is_main=is_main)
        name = names.free("data" if is_main else member.name)
        coded = encoded(member.array, what, netcdf=labelled)
        is_text = bundle.kind in _TEXTS or coded.how == "utf8"
        dataset = _dataset(group, name, coded.array, compression, is_text=is_text)
        show_attributes(dataset, member.attrs)
        dataset.attrs.update(coded.attributes)
        datasets.append(dataset)
        header.append(
            {
                "at": name,
                "name": to_json(member.name),
                "dims": [to_json(dim) for dim in member.dims],
                "how": coded.how,
                "dtype": coded.dtype,
                "attrs": _attributes_to_json(member.attrs, what),
            }
        )
    if labelled:
        attach_scales(group, bundle, datasets, names)
    show_attributes(group, bundle.attrs)
    group.attrs[HEADER] = json.dumps(
        {
            "version": LAYOUT_VERSION,
            "kind": bundle.kind,
            "main": bundle.main,
            **({"how": header[0]["how"]} if bundle.kind == "ndarray" else {}),
            "members": header,
            "extra": bundle.extra,
            "attrs": _attributes_to_json(bundle.attrs, f"A {bundle.kind}"),
        }
    )
    return header[0]["at"] if bundle.main else ""


def refuse_unstorable(bundle: Bundle) -> None:
    """Find out, without a file, whether a bundle can be written.

    Raises
    ------
    UnsupportedValueError
        As of `write_group`.
    """
    for position, member in enumerate(bundle.members):
        what = _what(bundle, member, is_main=bundle.main and position == 0)
        encoded(member.array, what, netcdf=bundle.kind in _LABELLED)
        _attributes_to_json(member.attrs, what)
    _attributes_to_json(bundle.attrs, f"A {bundle.kind}")


def read_group(group: h5py.Group, selection: Selection | None = None) -> Bundle:
    """Read a bundle, or the selected part of it with the coordinates that belong to that.

    Raises
    ------
    ArrayError
        The group was not written by `write_group`, by a newer one, or it points elsewhere.
    """
    header = _header(group)
    attrs = from_json(header["attrs"])
    members = []
    wanted: dict[Hashable, Any] = {}
    for position, entry in enumerate(header["members"]):
        dims = tuple(from_json(dim) for dim in entry["dims"])
        if position == 0 and selection is not None:
            wanted = by_name(selection, dims if header["main"] else _all_dims(header))
        stored, left = read_selected(own_dataset(group, entry["at"]), dims, wanted)
        array = decoded(stored, entry["how"], entry["dtype"])
        members.append(Member(from_json(entry["name"]), left, array, from_json(entry["attrs"])))
    return Bundle(header["kind"], tuple(members), header["main"], header["extra"], attrs)


def read_plain(group: h5py.Group, dtype: str) -> NDArray[Any] | None:
    """Read the one array of a group by the shortest way, which is HDF5's own functions.

    Returns
    -------
    :
        None if it is not stored as an array of `dtype` and nothing else: `read_group` reads it.
    """
    if not _header_text(group).startswith(_PLAIN) or not is_hard_link(group, "data"):
        return None
    dataset = h5py.h5d.open(group.id, b"data")
    if _is_elsewhere(dataset) or str(dataset.dtype) != dtype:
        return None
    array: NDArray[Any] = np.empty(dataset.shape, dataset.dtype)
    if array.size:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    return array


def _header_text(group: h5py.Group) -> str:
    if h5py.h5a.exists(group.id, _HEADER):
        attribute = h5py.h5a.open(group.id, _HEADER)
        dtype = attribute.dtype
        if attribute.shape == () and h5py.check_string_dtype(dtype) is not None:
            text = np.empty((), dtype)
            attribute.read(text)
            found = text[()]
            return found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    raise ArrayError(f"{group.file.filename}: {group.name} was not written by knockoff.")


def _header(group: h5py.Group) -> dict[str, Any]:
    text = _header_text(group)
    header: dict[str, Any] = json.loads(text)
    if header["version"] != LAYOUT_VERSION:
        raise ArrayError(
            f"{group.file.filename} has the layout {header['version']}; this knockoff reads "
            f"{LAYOUT_VERSION}. Update knockoff."
        )
    return header


def _all_dims(header: dict[str, Any]) -> tuple[Hashable, ...]:
    dims = (from_json(dim) for entry in header["members"] for dim in entry["dims"])
    return tuple(dict.fromkeys(dims))


def own_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset whose bytes are in this very file, so that nothing can lead a reader astray."""
    dataset = group[name] if is_hard_link(group, name) else None
    if isinstance(dataset, h5py.Dataset) and not _is_elsewhere(dataset.id):
        return dataset
    raise ArrayError(
        f"{group.file.filename}: {name!r} in {group.name} points elsewhere, "
        "which no file of knockoff does. Reprocess the variable to write it anew."
    )


def _is_elsewhere(dataset: h5py.h5d.DatasetID) -> bool:
    created = dataset.get_create_plist()
    layout = created.get_layout()
    if layout == h5py.h5d.CONTIGUOUS:
        return bool(created.get_external_count())
    return bool(layout == h5py.h5d.VIRTUAL)


def is_hard_link(group: h5py.Group, name: str) -> bool:
    """Whether `name` is an object in this very group, and no way to another place or file."""
    if "/" in name or name == ".":
        return False
    try:
        info = group.id.links.get_info(name.encode())
    except KeyError:
        return False
    return bool(info.type == h5py.h5l.TYPE_HARD)


def _what(bundle: Bundle, member: Member, *, is_main: bool) -> str:
    if is_main or bundle.kind == "masked":
        return "An array"
    return f"{member.name!r} in a {bundle.kind}"


def _dataset(
    group: h5py.Group, name: str, array: NDArray[Any], compression: Compression, *, is_text: bool
) -> h5py.Dataset:
    if array.dtype.hasobject:
        return group.create_dataset(name, data=array, dtype=h5py.string_dtype())
    return group.create_dataset(name, data=array, **layout(array, compression, is_text=is_text))


def _attributes_to_json(attrs: Mapping[Hashable, Any], what: str) -> JSON:
    try:
        return to_json(dict(attrs))
    except UnsupportedValueError as error:
        raise UnsupportedValueError(
            f"{what}: {error.what} in its attributes", error.remedy
        ) from error
