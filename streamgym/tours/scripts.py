"""``%%worker`` in a tour: a cell is kept as a script, to run as a process."""

from IPython import get_ipython


def workers() -> dict[str, str]:
    """Make ``%%worker NAME`` known, and return the scripts that it will keep, by name."""
    kept: dict[str, str] = {}

    def worker(line: str, cell: str) -> None:
        """Keep this cell as a script."""
        kept[line.strip()] = cell
        print(f"{line.strip()} is kept as a script")

    shell = get_ipython()
    if shell:
        shell.register_magic_function(worker, "cell", "worker")
    return kept
