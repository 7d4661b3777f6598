"""Faults: a proxy that a worker's requests pass, and the crash sweep that kills it at each of them.

Nothing here knows of notebooks or of exercises; :mod:`streamgym.checks.crashes` turns what is found
into expectations.
"""
