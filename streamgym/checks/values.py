"""What may cross between a learner's answer and a check: plain data, as JSON, never objects.

Times and durations travel as tagged objects. Anything else that is not JSON is refused, so that
an answer cannot bring its own ``__eq__``, and NaN never equals anything by accident.
"""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

REVIVE: dict[str, Callable[[Any], object]] = {
    "$time": datetime.fromisoformat,
    "$seconds": lambda seconds: timedelta(seconds=seconds),
}


def encode(value: object, limit: int = 2_000_000) -> str:
    """Return ``value`` as JSON text.

    Raises:
        TypeError: it holds something that is not plain data.
        ValueError: it is longer than ``limit`` characters or nested too deeply.
    """
    try:
        text = json.dumps(_plain(value), allow_nan=False)
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None
    if len(text) > limit:
        raise ValueError(f"the value is longer than {limit:,} characters")
    return text


def decode(text: str) -> Any:
    """Return the value that :func:`encode` made ``text`` from; tuples come back as lists."""
    return json.loads(text, object_hook=_tagged)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        is_time = value == value  # pandas' NaT is a datetime that equals nothing
        return {"$time": datetime.isoformat(value)} if is_time else repr(value)
    if isinstance(value, timedelta):
        return {"$seconds": timedelta.total_seconds(value)}
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=json.dumps)
    return _from_numpy(value)


def _from_numpy(value: Any) -> object:
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} is not plain data (number, text, time, list, dict)")


def _tagged(item: dict[str, Any]) -> Any:
    """Return the time or duration that a tagged object stands for; what stands for none stays."""
    if len(item) == 1:
        tag, value = next(iter(item.items()))
        if tag in REVIVE:
            with suppress(TypeError, ValueError, OverflowError):
                return REVIVE[tag](value)
    return item
