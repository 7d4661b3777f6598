"""The learner's side: what a lab's notebook imports."""

from streamgym.lab.session import Lab

__all__ = ["Lab"]
