"""Reading what a link holds: an instrument's state as a dataclass, or a sentence."""

import json
from typing import Any

from ganforge.errors import RecipeError
from ganforge.lab.messages import adapter, sentence

__all__ = ["read_link"]


def read_link(kind: type, link: dict[str, Any], what: str) -> Any:
    """The state of a kind that a link holds; its defaults where it says nothing.

    Raises:
        RecipeError: for a link that holds something else.
    """
    try:
        return adapter(kind).validate_json(json.dumps(link))
    except ValueError as error:
        raise RecipeError(f"this link holds no {what} ({sentence(error)[:160]})") from None
