"""One HDF5 file as the European XFEL's data acquisition writes it, format version 1.2.

The format: https://extra-data.readthedocs.io/en/latest/data_format.html. A run
is many such files: each aggregator or detector module (``DA01``, ``EPIX01``)
writes a sequence of them, one after the other as the trains come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from knockoff.runkey import RunKey

FORMAT_VERSION: Final = "1.2"


@dataclass(frozen=True)
class Unit:
    """A unit in the words of Karabo, the control system: ("micro", "u", "joule", "J")."""

    prefix_name: str
    prefix: str
    name: str
    symbol: str

    @property
    def attributes(self) -> dict[str, str]:
        """The HDF5 attributes from which extra-data reads ``KeyData.units``."""
        return {
            "metricPrefixName": self.prefix_name,
            "metricPrefixSymbol": self.prefix,
            "unitName": self.name,
            "unitSymbol": self.symbol,
        }


@dataclass(frozen=True)
class Trains:
    """The trains of a run or of a part of it, in order."""

    ids: NDArray[np.uint64]
    """Strictly increasing."""

    nanoseconds: NDArray[np.uint64]
    """When each train came, since 1970 in UTC."""

    def __getitem__(self, part: slice) -> Trains:
        return Trains(self.ids[part], self.nanoseconds[part])

    def __len__(self) -> int:
        return len(self.ids)


Setting = str | float | Sequence[str] | Sequence[float]
"""A property that a device keeps for a whole run: one value, or a vector of them."""


@dataclass(frozen=True)
class SlowSource:
    """A device of the control system: one value per key and train (CONTROL)."""

    name: str
    keys: Mapping[str, NDArray[Any]]
    """First axis: trains. An array of `object` holds strings."""

    units: Mapping[str, Unit] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """What is written once per run only (RUN), such as ``classId``."""

    def __getitem__(self, part: slice) -> SlowSource:
        return replace(self, keys={key: values[part] for key, values in self.keys.items()})


@dataclass(frozen=True)
class FastSource:
    """A pipeline output, ``DEVICE:output``: one entry per train that it recorded (INSTRUMENT)."""

    name: str
    keys: Mapping[str, NDArray[Any]]
    """First axis: all trains, also those not recorded. Names without the group."""

    recorded: NDArray[np.bool_]
    """False where the source recorded nothing for a train."""

    group: str = "data"
    units: Mapping[str, Unit] = field(default_factory=dict)
    compressed: Sequence[str] = ()
    """Keys that are worth it, as the facility's calibration does with masks."""

    def __getitem__(self, part: slice) -> FastSource:
        keys = {key: values[part] for key, values in self.keys.items()}
        return replace(self, keys=keys, recorded=self.recorded[part])


Source = SlowSource | FastSource


@dataclass(frozen=True)
class Origin:
    """What a file says about where its data comes from."""

    key: RunKey
    sequence: int
    began: datetime
    run_type: str
    sample: str


def write_sequence_file(
    path: Path, origin: Origin, trains: Trains, sources: Sequence[Source]
) -> None:
    """Write one file; `path` must not exist yet, and names are as in ``RAW-R0001-DA01-S00000.h5``.

    Every array of `sources` has as many rows as there are `trains`.
    """
    with h5py.File(path, "x") as file:
        _write_metadata(file, origin, trains, sources)
        _write_trains(file, trains)
        for source in sources:
            if isinstance(source, SlowSource):
                _write_slow(file, trains, source)
            else:
                _write_fast(file, trains, source)


def _write_metadata(file: Any, origin: Origin, trains: Trains, sources: Sequence[Source]) -> None:
    names = [
        ("CONTROL", source.name)
        if isinstance(source, SlowSource)
        else ("INSTRUMENT", f"{source.name}/{source.group}")
        for source in sources
    ]
    ended = datetime.fromtimestamp(int(trains.nanoseconds[-1]) / 1e9, timezone.utc)
    columns: dict[str, list[str]] = {
        "dataSources/root": [root for root, _ in names],
        "dataSources/deviceId": [device for _, device in names],
        "dataSources/dataSourceId": [f"{root}/{device}" for root, device in names],
        "creationDate": [f"{origin.began:%Y%m%dT%H%M%SZ}"],
        "updateDate": [f"{ended:%Y%m%dT%H%M%SZ}"],
        "dataFormatVersion": [FORMAT_VERSION],
        "daqLibrary": ["1.16.0"],
        "karaboFramework": ["2.20.0"],
        "runType": [origin.run_type],
        "sample": [origin.sample],
    }
    for name, texts in columns.items():
        file.create_dataset(f"METADATA/{name}", data=texts, dtype=h5py.string_dtype("ascii"))
    numbers = {
        "proposalNumber": origin.key.proposal,
        "runNumber": origin.key.run,
        "sequenceNumber": origin.sequence,
    }
    for name, number in numbers.items():
        file[f"METADATA/{name}"] = np.array([number], np.uint32)


def _write_trains(file: Any, trains: Trains) -> None:
    file["INDEX/trainId"] = trains.ids
    file["INDEX/timestamp"] = trains.nanoseconds
    file["INDEX/flag"] = np.ones(len(trains), np.int32)  # 1: a train the time server announced
    file["INDEX/origin"] = np.full(len(trains), -1, np.int32)  # -1: the time server


def _write_index(file: Any, name: str, counts: NDArray[np.uint64]) -> None:
    file[f"INDEX/{name}/first"] = np.cumsum(counts, dtype=np.uint64) - counts
    file[f"INDEX/{name}/count"] = counts


def _write_slow(file: Any, trains: Trains, source: SlowSource) -> None:
    _write_index(file, source.name, np.ones(len(trains), np.uint64))
    for key, values in source.keys.items():
        kind = h5py.string_dtype("utf-8") if values.dtype == object else values.dtype
        path = f"{source.name}/{key.replace('.', '/')}"
        control, run = file.create_group(f"CONTROL/{path}"), file.create_group(f"RUN/{path}")
        control.create_dataset("value", data=values, dtype=kind)
        control["timestamp"] = trains.nanoseconds
        run.create_dataset("value", data=values[:1], dtype=kind)
        run["timestamp"] = trains.nanoseconds[:1]
        if unit := source.units.get(key):
            control.attrs.update(unit.attributes)
            run.attrs.update(unit.attributes)
    for key, setting in source.settings.items():
        group = file.create_group(f"RUN/{source.name}/{key.replace('.', '/')}")
        values = np.array([setting])
        kind = h5py.string_dtype("utf-8") if values.dtype.kind == "U" else values.dtype
        group.create_dataset("value", data=values.astype(kind), dtype=kind)
        group["timestamp"] = trains.nanoseconds[:1]


def _write_fast(file: Any, trains: Trains, source: FastSource) -> None:
    _write_index(file, f"{source.name}/{source.group}", source.recorded.astype(np.uint64))
    group = file.create_group(f"INSTRUMENT/{source.name}/{source.group}")
    group["trainId"] = trains.ids[source.recorded]
    for key, values in source.keys.items():
        dataset = group.create_dataset(
            key.replace(".", "/"),
            data=values[source.recorded],
            compression="gzip" if key in source.compressed else None,
        )
        if unit := source.units.get(key):
            dataset.attrs.update(unit.attributes)
