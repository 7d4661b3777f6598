"""The learner's desk: the start page, with progress, the systems, the questions and a search."""

from streamgym.desk.page import open_desk

__all__ = ["open_desk"]
