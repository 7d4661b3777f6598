"""The errors that more than one part of streamgym raises or must tell apart."""


class StreamgymError(Exception):
    """Something the user can mend; its message is one line: what is wrong, and what to do."""


class NotAttempted(Exception):
    """The learner has not written this answer yet."""


class Ungradable(Exception):
    """The answer could not be judged (time-out, lost broker, ...); never a mark."""
