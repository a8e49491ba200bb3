"""What lies outside the package, found by its import path: a user's own network, loss or extractor."""

import importlib
from typing import Any

from ganforge.errors import RecipeError

__all__ = ["imported"]


def imported(path: str, *, what: str = "a function") -> Any:
    """What an import path leads to, `package.module.name` or `package.module:name`; `what` is wanted there.

    >>> imported("math.hypot")(3, 4), imported("math:hypot")(3, 4)
    (5.0, 5.0)

    Raises:
        RecipeError: if it can't be imported, or can't be called.
    """
    module, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the user's own module raises
        raise RecipeError(f"{path!r} can't be imported ({error}); give the import path of {what}") from None
    if not callable(found):
        raise RecipeError(f"{path!r} is no function but {found!r}; give the import path of {what}")
    return found
