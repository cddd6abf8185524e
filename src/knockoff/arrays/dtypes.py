"""NumPy's dtypes as JSON and back, and the arrays that JSON carries."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from knockoff.errors import ArrayError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JSON = Any
"""What `json.dumps` takes: None, bool, int, float, str, list and dict of these."""


def dtype_to_json(dtype: np.dtype[Any]) -> JSON:
    """NumPy's own description of a dtype, as in the header of an npy file."""
    from numpy.lib import format as npy

    return npy.dtype_to_descr(dtype)


def dtype_from_json(description: JSON) -> np.dtype[Any]:
    """Read back what `dtype_to_json` wrote, after JSON made lists of its tuples.

    Raises
    ------
    ArrayError
        Elements of that dtype would point into memory.
    """
    from numpy.lib import format as npy

    dtype: np.dtype[Any] = npy.descr_to_dtype(_tuples(description))
    if dtype.hasobject:
        raise ArrayError(f"An array cannot have the dtype {dtype}: it would point into memory.")
    return dtype


def array_to_json(array: NDArray[Any]) -> list[JSON]:
    """Dtype, shape and bytes of an array without objects."""
    data = base64.b64encode(array.tobytes()).decode("ascii")
    return [dtype_to_json(array.dtype), list(array.shape), data]


def array_from_json(content: JSON) -> NDArray[Any]:
    """Read back what `array_to_json` wrote; it may be written to."""
    import numpy as np

    description, shape, data = content
    dtype = dtype_from_json(description)
    stored = bytearray(base64.b64decode(data))
    if not dtype.itemsize:
        return np.zeros(shape, dtype)
    return np.frombuffer(stored, dtype).reshape(shape)


def _tuples(description: JSON) -> Any:
    if not isinstance(description, list):
        return description
    fields = []
    for name, dtype, *shape in description:
        title_and_name = tuple(name) if isinstance(name, list) else name
        fields.append((title_and_name, _tuples(dtype), *(tuple(lengths) for lengths in shape)))
    return fields
