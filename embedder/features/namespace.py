"""Arrays of NumPy on a CPU and of torch on a GPU by one name for each operation: the Python array API standard."""

from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

Array: TypeAlias = Any
"""A NumPy array or a torch tensor; float32 where nothing else is said."""


def namespace_of(array: Array) -> Any:
    """Return the operations for `array`."""
    return array_namespace(array)


def constant(values: NDArray[np.generic], like: Array) -> Array:
    """Return `values` as an array of the kind of `like`, on its device."""
    return namespace_of(like).asarray(values, device=device(like))


def on_host(array: Array) -> NDArray[np.float32]:
    """Return `array` as one of NumPy's."""
    host: NDArray[np.float32] = np.asarray(array if isinstance(array, np.ndarray) else array.cpu(), np.float32)
    return host
