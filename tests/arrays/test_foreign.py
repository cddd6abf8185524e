"""Values out of files that other programs have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from PIL import Image

from knockoff.arrays.figures import Chart
from knockoff.arrays.foreign import Archive, FileUnreadableError, read_foreign

if TYPE_CHECKING:
    from pathlib import Path

ARRAY = np.arange(6.0).reshape(2, 3)
LABELLED = xr.DataArray(ARRAY, dims=["x", "y"], coords={"x": [1, 2]}, attrs={"units": "mm"})


def test_arrays_come_as_numpy_has_written_them(tmp_path: Path) -> None:
    """One array is an array, whatever the file; several keep their names."""
    np.save(tmp_path / "a.npy", ARRAY)
    np.savez(tmp_path / "one.npz", only=ARRAY)
    np.savez(tmp_path / "two.npz", first=ARRAY, second=np.arange(3))
    np.testing.assert_array_equal(read_foreign(tmp_path / "a.npy"), ARRAY)
    np.testing.assert_array_equal(read_foreign(tmp_path / "one.npz"), ARRAY)
    both = read_foreign(tmp_path / "two.npz")
    assert isinstance(both, Archive)
    assert list(both) == ["first", "second"]
    assert both.dataset()["first"].dims == ("first_0", "first_1")


def test_hdf5_comes_with_its_axes_where_it_has_any(tmp_path: Path) -> None:
    """What xarray wrote is what xarray reads; of other files a dataset is chosen by its path."""
    LABELLED.to_netcdf(tmp_path / "array.nc", engine="h5netcdf")
    xr.Dataset({"a": LABELLED, "b": 2 * LABELLED}).to_netcdf(
        tmp_path / "set.h5", engine="h5netcdf", group="fits"
    )
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["results/best"] = ARRAY
        file["results/worst"] = -ARRAY
    xr.testing.assert_identical(read_foreign(tmp_path / "array.nc"), LABELLED)
    found = read_foreign(tmp_path / "set.h5", "fits")
    assert isinstance(found, xr.Dataset)
    xr.testing.assert_equal(read_foreign(tmp_path / "set.h5", "fits/b"), 2 * LABELLED)
    best = read_foreign(tmp_path / "plain.h5", "results/best")
    np.testing.assert_array_equal(best, ARRAY)
    with pytest.raises(FileUnreadableError, match="Datasets in it: results/best, results/worst"):
        read_foreign(tmp_path / "plain.h5", "results/beast")


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("n.json", "3.5", 3.5),
        ("l.json", '{"a": [1, 2]}', {"a": [1, 2]}),
        ("w.txt", "knife edge\n", "knife edge"),
    ],
)
def test_text_and_json_are_small_values(
    tmp_path: Path, name: str, content: str, value: object
) -> None:
    """A script in any language can write these."""
    (tmp_path / name).write_text(content)
    assert read_foreign(tmp_path / name) == value


def test_a_plotly_figure_is_told_from_other_json(tmp_path: Path) -> None:
    """It is to be drawn, and not to be a dict in a cell."""
    figure = {"data": [{"type": "scatter", "y": [1, 2]}], "layout": {}}
    (tmp_path / "figure.json").write_text(json.dumps(figure))
    found = read_foreign(tmp_path / "figure.json")
    assert isinstance(found, Chart)
    assert json.loads(found.text) == figure


def test_tables_and_images_are_what_they_are(tmp_path: Path) -> None:
    """A table keeps its column names, an image its colours."""
    (tmp_path / "t.csv").write_text("energy,hits\n9.3,4\n9.4,5\n")
    Image.new("RGB", (4, 3), "red").save(tmp_path / "i.png")
    frame: Any = read_foreign(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"energy": [9.3, 9.4], "hits": [4, 5]}))
    image = read_foreign(tmp_path / "i.png")
    assert (image.size, image.mode) == ((4, 3), "RGB")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.npy", b"\x93NUMPY broken", "Write it once more"),
        ("a.h5", b"no HDF5 at all", "Write it once more"),
        ("a.json", b"{", "Write it once more"),
        ("a.png", b"no image", "Write it once more"),
        ("a.dat", b"1 2 3", "says nothing of its kind"),
        ("pickle.npy", None, "Write it once more"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """Half a file, and an array of Python objects, which could run code when it is read."""
    if content is None:
        np.save(tmp_path / name, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileUnreadableError, match=said):
        read_foreign(tmp_path / name)
    with pytest.raises(FileUnreadableError, match="it is not there"):
        read_foreign(tmp_path / f"no-{name.replace('dat', 'txt')}")
