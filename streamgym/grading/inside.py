"""What the grader asks a submission's kernel to run; like all there, it is not trusted."""

from IPython import get_ipython
from IPython.display import publish_display_data

from streamgym.lab.serve import serve

MIME = "application/vnd.streamgym+json"
"""The media type of a reply."""


def publish(request: str) -> None:
    """Answer a request from the notebook's variables; the reply is published as display data."""
    publish_display_data({MIME: serve(request, get_ipython().user_ns)})


def call(request: str) -> str:
    """Return the code that makes a kernel answer a request, without touching its variables."""
    return f"__import__({__name__!r}, fromlist=['publish']).publish({request!r})"
