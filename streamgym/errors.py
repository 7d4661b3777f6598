"""The one error that a user of streamgym is meant to read."""


class StreamgymError(Exception):
    """Something the user can mend; its message is one line: what is wrong, and what to do."""
