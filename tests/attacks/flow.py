"""1. Flow: ending, killing, blocking, looping."""

from .attack import ALL, DELIVER, DOUBLE, FAVOURITE, LAB, PLAIN, POINTS, Attack, tried

QUICK = (DOUBLE, FAVOURITE)
QUICK_POINTS = POINTS["double"] + POINTS["favourite"]


def blocking(name: str, code: str, says: str) -> Attack:
    """Return an attack in the cell of one answer, which is lost by it; the other is right."""
    return Attack(name, (PLAIN, f"{FAVOURITE}\n{code}", DOUBLE), POINTS["double"], says)


ATTACKS = [
    Attack(
        "exits",
        (LAB, "favourite = 'exits'\nimport sys\nsys.exit(0)", DOUBLE, DELIVER),
        ALL - POINTS["favourite"],
        says="exits",
    ),
    Attack(
        "raises SystemExit first of all",
        ("favourite = 'left'\nraise SystemExit(0)", LAB, DOUBLE, DELIVER),
        ALL - POINTS["favourite"],
        says="left",
    ),
    blocking(
        "ends the process", "import os\nos._exit(0)", "the cell ended the kernel (exit code 0)"
    ),
    blocking("kills itself", "import os\nos.kill(os.getpid(), 9)", "was ended by a signal"),
    Attack(
        "kills its parent and everybody",
        (
            PLAIN,
            "import os\n"
            "def shot(pid):\n"
            "    try: os.kill(pid, 9); return 'shot'\n"
            "    except PermissionError: return 'refused'\n"
            "favourite = [shot(os.getppid()), shot(1)]",
            DOUBLE,
        ),
        POINTS["double"],
        says="[refused, refused]",
    ),
    Attack(
        "kills all that it may",
        (PLAIN, DOUBLE, "import os\nos.kill(-1, 9)\nfavourite = 'has killed'"),
        POINTS["double"],
        says="has killed",
    ),
    blocking("stops itself", "import os\nos.kill(os.getpid(), 19)", "could not be interrupted"),
    blocking("loops", "while True:\n    pass", "the cell did not end within 8 s"),
    blocking(
        "ignores the interrupt",
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "while True: time.sleep(1)",
        "the cell did not end within 8 s, and could not be interrupted",
    ),
    blocking(
        "swallows the interrupt",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "the cell did not end within 8 s",
    ),
    blocking(
        "blocks in C",
        "import ctypes\nctypes.PyDLL(None).pause()",  # keeps the interpreter's lock
        "the cell did not end within 8 s",
    ),
    Attack(
        "loops in its answer",
        (PLAIN, "def double(number):\n    while True: pass", FAVOURITE),
        POINTS["favourite"],
        says="your answer did not end within 8 s",
    ),
    Attack(
        "exits in its answer",
        (PLAIN, "import os\ndef double(number):\n    os._exit(0)", FAVOURITE),
        POINTS["favourite"],
        says="your answer ended the kernel (exit code 0)",
    ),
    Attack(
        "loops in the cell of its answer",
        (PLAIN, f"{DOUBLE}\nwhile True: pass", FAVOURITE),
        POINTS["favourite"],
        says="the cell did not end within 8 s",
    ),
    Attack(
        "takes the kernel down too often",
        (PLAIN, DOUBLE, *["import os\nos._exit(0)"] * 4, FAVOURITE),
        POINTS["double"],
        says="took the kernel down too often",
    ),
    Attack(
        "a worker that kills",
        (
            LAB,
            "%%worker deliver\nimport os\n"
            + tried("os.kill(os.getppid(), 9)", "got")
            + "\nraise SystemExit(got)",
            *QUICK,
        ),
        QUICK_POINTS,
        says="PermissionError",
    ),
    Attack(
        "a worker that says well and goes on",
        (
            LAB,
            "%%worker deliver\nimport os, time\nif os.fork() == 0: time.sleep(600)\nos._exit(0)",
            *QUICK,
        ),
        QUICK_POINTS,
        says="In capitals",
    ),
]
