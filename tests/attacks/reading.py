"""5. Reading: solutions, others' work, the grader's memory and environment."""

from .attack import DOUBLE, LAB, PLAIN, POINTS, Attack, in_worker, reading, tried
from .catalogue import Around

REFUSED = "PermissionError"


def attacks(around: Around) -> list[Attack]:
    """Return the attacks that read what they should not; each says what it got."""
    neighbour = around.submissions / "000 honest.ipynb"
    solution = around.course / "solutions" / "01_target" / "answers.py"
    pid = around.grader
    of_memory = f"open('/proc/{pid}/mem', 'rb').read(9)"
    return [
        reading("reads a solution", f"open({str(solution)!r}).read()", REFUSED),
        reading("reads a neighbour", f"open({str(neighbour)!r}).read()", REFUSED),
        reading("reads the seed", f"open({str(around.out / 'seed')!r}).read()", REFUSED),
        reading("lists the submissions", f"os.listdir({str(around.submissions)!r})", REFUSED, OS),
        reading("reads passwd", "open('/etc/passwd').read()", REFUSED),
        reading("lists temporary files", "os.listdir('/tmp')", REFUSED, OS),
        reading("reads the grader's environment", f"open('/proc/{pid}/environ').read()", REFUSED),
        reading("reads its parent", "open(f'/proc/{os.getppid()}/environ').read()", REFUSED, OS),
        reading("reads the grader's memory", of_memory, REFUSED),
        reading("reads its own environment", "os.environ.get('GRADERS_OWN', 'none')", "none", OS),
        reading(
            "traces the grader",
            f"[libc.ptrace(16, {pid}, 0, 0), libc.process_vm_readv({pid}, 0, 0, 0, 0, 0)]",
            "[-1, -1]",
            "import ctypes\nlibc = ctypes.CDLL(None)",
        ),
        reading(
            "reads by a program",
            f"subprocess.run(['cat', {str(solution)!r}], capture_output=True, text=True).stderr",
            "Permission denied",
            "import subprocess",
        ),
        Attack(
            "reads by magics",
            (
                PLAIN,
                f"%%script --out got --err refused bash\ncat {solution} /etc/passwd; cd /tmp; ls",
                "favourite = got + refused[:300]",
                f"%%writefile {around.out / 'gradebook.csv'}\neve,11",
                DOUBLE,
            ),
            POINTS["double"],
            "Permission denied",
        ),
        Attack(
            "a worker reads",
            (LAB, in_worker(tried(f"open({str(solution)!r}).read()", "got")), DOUBLE),
            POINTS["double"],
            REFUSED,
        ),
        Attack(
            "a worker reads its environment",
            (
                LAB,
                in_worker("import os\ngot = [*os.environ], os.environ.get('GRADERS_OWN', 'none')"),
                DOUBLE,
            ),
            POINTS["double"],
            "&#39;none&#39;",
        ),
    ]


OS = "import os"
