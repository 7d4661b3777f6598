"""The trusted side: submitted notebooks are run in a sandbox, judged outside of it, and marked."""
