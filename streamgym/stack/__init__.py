"""The real systems that the labs run on, each a context manager that leaves nothing behind.

This file imports nothing: the keeper, which starts with every system, must start fast.
"""
