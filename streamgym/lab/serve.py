"""The answering end: what runs beside the learner's code and turns its answers into data.

Nothing here is trusted by a grader: only data leaves, and whoever tampers with it merely gives
another answer.
"""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from streamgym.checks import values

Namespace = Mapping[str, Any]


class Missing(Exception):
    """There is no answer of this name yet."""


def serve(request: str, namespace: Namespace) -> str:
    """Answer one request (see :mod:`streamgym.checks.served`) from the learner's namespace."""
    asked = values.decode(request)
    try:
        reply = HANDLERS[asked["kind"]](asked, namespace)
    except Missing as missing:
        reply = {"missing": str(missing)}
    return values.encode(reply, limit=20_000_000)


def _defined(asked: dict[str, Any], namespace: Namespace) -> dict[str, Any]:
    _named(asked["name"], namespace)
    return {}


def _function(asked: dict[str, Any], namespace: Namespace) -> dict[str, Any]:
    function = _named(asked["name"], namespace)
    return {"outcomes": [_outcome(partial(_call, function, call)) for call in asked["calls"]]}


def _call(function: Any, arguments: list[Any]) -> Any:
    return function(*arguments)


def _plan(asked: dict[str, Any], namespace: Namespace) -> dict[str, Any]:
    from streamgym.checks import plans

    function, sources = _named(asked["name"], namespace), _sources(asked)
    return {"outcome": _outcome(lambda: _text(plans.to_message(function(*sources))))}


def _query(asked: dict[str, Any], namespace: Namespace) -> dict[str, Any]:
    from streamgym.checks import queries

    function, sources = _named(asked["name"], namespace), _sources(asked)
    call = [*sources, *asked["arguments"]]
    return {"outcome": _outcome(lambda: _text(queries.to_message(function(*call))))}


def _sources(asked: dict[str, Any]) -> list[Any]:
    """Return the DataFrames, of the learner's session, that an answer is applied to."""
    from streamgym.checks import plans
    from streamgym.stack import shared
    from streamgym.stack.session import spark_session

    spark = spark_session(shared.address("spark"))
    return [plans.to_frame(base64.b64decode(text), spark) for text in asked["sources"]]


def _text(message: bytes) -> str:
    return base64.b64encode(message).decode()


def _choice(asked: dict[str, Any], namespace: Namespace) -> dict[str, Any]:
    value = _named(asked["name"], namespace)
    if value is ...:
        raise Missing(f"{asked['name']} is still ...")
    return {"outcome": _outcome(lambda: value)}


def _student(_: dict[str, Any], namespace: Namespace) -> dict[str, Any]:
    return {"student": str(getattr(namespace.get("lab"), "student", ""))}


HANDLERS: dict[str, Callable[[dict[str, Any], Namespace], dict[str, Any]]] = {
    "defined": _defined,
    "function": _function,
    "plan": _plan,
    "query": _query,
    "choice": _choice,
    "student": _student,
}


def _named(name: str, namespace: Namespace) -> Any:
    if name not in namespace:
        raise Missing(f"there is no {name} yet: run its cell first")
    return namespace[name]


def _outcome(work: Callable[[], object]) -> dict[str, Any]:
    try:
        value = work()
        values.encode(value)
    except NotImplementedError:
        raise Missing("it still raises NotImplementedError") from None
    except (Exception, SystemExit) as error:
        return {"raised": f"{type(error).__name__}: {error}"[:500]}
    return {"value": value}
