"""What the grader asks a submission's kernel to run; like all there, it is not trusted."""

from IPython import get_ipython

from streamgym.lab.serve import serve

MIME = "application/vnd.streamgym+json"
"""The media type of a reply."""


class Reply:
    """The answer to a request, from the notebook's variables."""

    def __init__(self, request: str) -> None:
        self._text = serve(request, get_ipython().user_ns)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {MIME: self._text}


def expression(request: str) -> str:
    """Return the expression of a reply; it touches none of the kernel's variables.

    It goes as a user expression: its value comes back on the shell channel, where a flood of
    output cannot crowd it out (Jupyter's messaging protocol, "Execute").
    """
    return f"__import__({__name__!r}, fromlist=['Reply']).Reply({request!r})"
