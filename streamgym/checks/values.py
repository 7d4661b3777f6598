"""What may cross between a learner's answer and a check: plain data, as JSON, never objects.

Times, durations, decimal numbers and pandas DataFrames travel as tagged objects. Anything else
that is not JSON is refused, so that an answer cannot bring its own ``__eq__``, and NaN never equals
anything by accident.
"""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

DTYPES = ("int64", "float64", "bool", "object", "datetime64[ns]", "datetime64[ns, UTC]")
"""The dtypes of a DataFrame's columns that are kept; others arrive as ``object``."""


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
    """Return the value that :func:`encode` made ``text`` from; tuples come back as lists.

    Raises:
        ValueError: it is not JSON; NaN and infinities are not.
    """
    return json.loads(text, object_hook=_tagged, parse_constant=_no_number)


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        is_time = value == value  # pandas' NaT is a datetime that equals nothing
        return {"$time": datetime.isoformat(value)} if is_time else repr(value)
    if isinstance(value, date):
        return {"$date": date.isoformat(value)}
    if isinstance(value, timedelta):
        return {"$seconds": timedelta.total_seconds(value)}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
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
    return _from_library(value)


def _from_library(value: Any) -> object:
    library, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if library == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist())
    if library == "pandas" and kind == "DataFrame":
        return {"$frame": [_column(name, value[name]) for name in value.columns]}
    raise TypeError(f"{kind} is not plain data (number, text, time, list, dict, DataFrame)")


def _column(name: object, values: Any) -> dict[str, object]:
    there = values.notna()
    cells = [_plain(value) if known else None for value, known in zip(values, there, strict=True)]
    return {"name": str(name), "dtype": str(values.dtype), "values": cells}


def _frame(columns: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({column["name"]: _series(column) for column in columns})


def _series(column: dict[str, Any]) -> "pd.Series":
    import pandas as pd

    dtype = column["dtype"] if column["dtype"] in DTYPES else "object"
    return pd.Series(column["values"], dtype=dtype)


REVIVE: dict[str, Callable[[Any], object]] = {
    "$time": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$seconds": lambda seconds: timedelta(seconds=seconds),
    "$decimal": Decimal,
    "$frame": _frame,
}
"""How a tagged object becomes what it stands for."""


def _tagged(item: dict[str, Any]) -> Any:
    """Return what a tagged object stands for; one that stands for nothing stays."""
    if len(item) == 1:
        tag, value = next(iter(item.items()))
        if tag in REVIVE:
            with suppress(TypeError, ValueError, KeyError, OverflowError, InvalidOperation):
                return REVIVE[tag](value)
    return item
