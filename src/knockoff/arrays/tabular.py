"""What pandas knows, as bundles, and back.

A column becomes one array, or several where NumPy has no such type: an array of values with one
that says which are missing, or codes with their categories. A *recipe*, JSON, says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from knockoff.arrays.bundles import Bundle, Member
from knockoff.arrays.wire import JSON, UnsupportedValueError, from_json, to_json, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from knockoff.arrays.references import Kind

PRESENT, NONE, NAN = 0, 1, 2
"""In an array of what is missing."""

ROWS = "index"
"""Name of the axis along which a table's rows follow each other."""


def bundled(value: Any, kind: Kind) -> Bundle:
    """Take a Series or DataFrame apart.

    Raises
    ------
    UnsupportedValueError
        A column or the index is of a type that cannot be stored; the message names it.
    """
    members: list[Member] = []
    extra: dict[str, JSON] = {}
    if kind == "series":
        extra["columns"] = [_taken_apart(members, "data", value)]
        extra["name"] = to_json(value.name)
    else:
        extra["columns"] = [
            _taken_apart(members, str(name), value.iloc[:, position])
            for position, name in enumerate(value.columns)
        ]
        extra["labels"] = _labels(value.columns)
    extra["rows"] = _index(members, value.index)
    main = kind == "series"
    return Bundle(kind, tuple(members), main=main, extra=extra, attrs=value.attrs)


def unbundled(bundle: Bundle) -> Any:
    """Put a Series or DataFrame together again."""
    import pandas as pd  # type: ignore[import-untyped]

    arrays = iter([member.array for member in bundle.members])
    columns = [_put_together(arrays, recipe) for recipe in bundle.extra["columns"]]
    index = _index_again(arrays, bundle.extra["rows"])
    if bundle.kind == "series":
        name = from_json(bundle.extra["name"])
        value = pd.Series(columns[0], index=index, name=name, dtype=columns[0].dtype)
    else:
        value = pd.DataFrame(
            {
                position: pd.Series(column, index=index, dtype=column.dtype)
                for position, column in enumerate(columns)
            },
            index=index,
        )
        value.columns = _labels_again(bundle.extra["labels"])
    value.attrs = dict(bundle.attrs)
    return value


def _taken_apart(members: list[Member], name: str, column: Any) -> JSON:
    """Append the arrays of a Series or Index to `members`; return the recipe to undo it."""
    import pandas as pd

    dtype = column.dtype

    def add(array: NDArray[Any], suffix: str = "") -> None:
        members.append(Member(name + suffix, (ROWS + suffix,) if suffix else (ROWS,), array))

    if isinstance(dtype, np.dtype) and not dtype.hasobject:
        add(column.to_numpy())
        return {"how": "numpy"}
    if isinstance(dtype, pd.CategoricalDtype):
        codes = column.codes if isinstance(column, pd.Index) else column.cat.codes.to_numpy()
        add(codes)
        categories: list[Member] = []
        recipe = _taken_apart(categories, f"{name} categories", dtype.categories)
        members += (Member(m.name, (f"{m.name}",), m.array) for m in categories)
        return {"how": "category", "categories": recipe, "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        add(column.to_numpy(dtype=f"datetime64[{dtype.unit}]"))
        return {"how": "zoned", "dtype": str(dtype)}
    absent = np.asarray(column.isna(), dtype=np.uint8) * NAN
    if isinstance(dtype, (np.dtype, pd.StringDtype)):
        values = column.to_numpy(dtype=object, copy=True)
        absent[[value is None for value in values]] = NONE
        values[absent != PRESENT] = ""
        _refuse_other_than_text(values, name)
        add(values)
        recipe = {"how": "text", "dtype": str(dtype)}
    elif isinstance(getattr(dtype, "numpy_dtype", None), np.dtype) and "pyarrow" not in str(dtype):
        kind = dtype.numpy_dtype
        add(column.to_numpy(dtype=kind, na_value=kind.type(0)))
        recipe = {"how": "nullable", "dtype": str(dtype)}
    else:
        raise UnsupportedValueError(
            f"The column {name!r} of dtype {dtype}",
            "Convert it with .astype(...) to numbers, text, categories or times.",
        )
    recipe["missing"] = bool(absent.any())
    if recipe["missing"]:
        members.append(Member(f"{name} missing", (ROWS,), absent))
    return recipe


def _put_together(arrays: Iterator[NDArray[Any]], recipe: JSON) -> Any:
    import pandas as pd

    values = next(arrays)
    if recipe["how"] == "numpy":
        return values
    if recipe["how"] == "category":
        categories = pd.Index(_put_together(arrays, recipe["categories"]))
        return pd.Categorical.from_codes(values, categories, ordered=recipe["ordered"])
    if recipe["how"] == "zoned":
        zone = pd.api.types.pandas_dtype(recipe["dtype"]).tz
        return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone).array
    missing = next(arrays) if recipe["missing"] else np.zeros(len(values), np.uint8)
    if recipe["how"] == "nullable":
        column = pd.array(values, dtype=recipe["dtype"])
        column[missing != PRESENT] = pd.NA
        return column
    values = values.astype(object)
    values[missing == NONE] = None
    values[missing == NAN] = np.nan
    return values if recipe["dtype"] == "object" else pd.array(values, dtype=recipe["dtype"])


def _refuse_other_than_text(values: NDArray[Any], name: str) -> None:
    other = next((type_name(value) for value in values if not issubclass(type(value), str)), None)
    if other is not None:
        raise UnsupportedValueError(
            f"The column {name!r} of dtype object, with a value of type {other} in it,",
            "Convert it with .astype(...) to numbers, text, categories or times.",
        )


def _index(members: list[Member], index: Any) -> JSON:
    import pandas as pd

    names = [to_json(name) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = [
        _taken_apart(members, str(name or ROWS), index.get_level_values(level))
        for level, name in enumerate(index.names)
    ]
    many = isinstance(index, pd.MultiIndex)
    freq = None if many else getattr(index, "freqstr", None)
    return {"levels": levels, "names": names, "freq": freq, "many": many}


def _index_again(arrays: Iterator[NDArray[Any]], recipe: JSON) -> Any:
    import pandas as pd

    names = [from_json(name) for name in recipe["names"]]
    if "range" in recipe:
        return pd.RangeIndex(*recipe["range"], name=names[0])
    levels = [_put_together(arrays, level) for level in recipe["levels"]]
    if recipe["many"]:
        return pd.MultiIndex.from_arrays(levels, names=names)
    index = pd.Index(levels[0], name=names[0], dtype=levels[0].dtype)
    if recipe["freq"] is not None:
        index.freq = recipe["freq"]
    return index


def _labels(columns: Any) -> JSON:
    import pandas as pd

    names = [to_json(name) for name in columns.names]
    if isinstance(columns, pd.RangeIndex):
        return {"range": [columns.start, columns.stop, columns.step], "names": names}
    many = isinstance(columns, pd.MultiIndex)
    labels = [to_json(label) for label in columns]
    return {"labels": labels, "names": names, "many": many, "dtype": str(columns.dtype)}


def _labels_again(recipe: JSON) -> Any:
    import pandas as pd

    names = [from_json(name) for name in recipe["names"]]
    if "range" in recipe:
        return pd.RangeIndex(*recipe["range"], name=names[0])
    labels = [from_json(label) for label in recipe["labels"]]
    if recipe["many"]:
        return pd.MultiIndex.from_tuples(labels, names=names)
    return pd.Index(labels, dtype=recipe["dtype"], name=names[0], tupleize_cols=False)
