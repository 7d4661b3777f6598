"""8. Resources: every limit of a submission, reached; and what would outlive it."""

from .attack import ALL, DELIVER, DOUBLE, FAVOURITE, LAB, PLAIN, POINTS, Attack, reading

TIGHT = LAB.replace("01_target", "03_tight")
MARK = "streamgym-attack-left-behind"

TOPIC = """
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
servers = lab.kafka()
KafkaAdminClient(bootstrap_servers=servers).create_topics([NewTopic("t", 1, 1)])
producer = KafkaProducer(bootstrap_servers=servers)
for _ in range(30): producer.send("t", bytes(900_000))
producer.flush()
__import__("time").sleep(99)
"""
BEYOND = {
    "processor time": (
        "import os\nfor _ in range(3): os.fork()\nwhile True: pass",
        "used more than 8 s of processor time",
    ),
    "memory": ("x = bytearray(4 << 30)", "used more than 2 GB of memory"),
    "memory by threads": (
        "from threading import Thread\nimport time\n"
        "for _ in range(5000): Thread(target=time.sleep, args=(99,), daemon=True).start()",
        "used more than 2 GB of memory",
    ),
    "processes": (
        "import subprocess\nwhile True: subprocess.Popen(['sleep', '300'])",
        "started too many processes",
    ),
    "disk": (
        "import time\nwith open('big', 'wb') as f: f.write(bytes(30_000_000))\ntime.sleep(99)",
        "used more than 20 MB of disk",
    ),
    "disk of a deleted file": (
        "import os, time\nf = open('big', 'wb')\nos.unlink('big')\n"
        "f.write(bytes(30_000_000))\nf.flush()\ntime.sleep(99)",
        "used more than 20 MB of disk",
    ),
    "files": (
        "from pathlib import Path\nimport time\n"
        "for n in range(400): Path(f'f{n}').touch()\ntime.sleep(99)",
        "kept more than 300 files",
    ),
    "folders in folders": (
        "import os, time\n"
        "for _ in range(30):\n    os.mkdir('d' * 200); os.chdir('d' * 200)\ntime.sleep(99)",
        "used more than 20 MB of disk",
    ),
    "output": (
        "import time\nfor _ in range(200): print('x' * 100_000)\ntime.sleep(99)",
        "printed more than 2 MB",
    ),
}

ATTACKS = [
    Attack(
        f"without end, {what}",
        (TIGHT, f"{DOUBLE}\n{code}", FAVOURITE),
        POINTS["favourite"],
        says=f"the cell {reason}",
    )
    for what, (code, reason) in BEYOND.items()
] + [
    Attack(
        "without end, a topic",
        (TIGHT, f"{DOUBLE}\n{TOPIC}"),
        0,
        says="the cell used more than 20 MB of disk",
    ),
    Attack(
        "without end, open files",
        (TIGHT, f"{DOUBLE}\nheld = []\nwhile True: held.append(open('/dev/null'))"),
        0,  # and nothing can be asked of such a kernel
        says="the cell opened too many files",
    ),
    Attack(
        "memory in its answer",
        (PLAIN, "def double(number): return bytearray(64 << 30)", FAVOURITE),
        POINTS["favourite"],
        says="your answer used more than 3 GB of memory",
    ),
    Attack(
        "a huge reply",
        (PLAIN, "def double(number): return 'x' * 500_000_000", FAVOURITE),
        POINTS["favourite"],
        says="Twice",
    ),
    Attack(
        "a worker that prints without end",
        (LAB, DOUBLE, "%%worker deliver\nwhile True: print('x' * 100_000)"),
        POINTS["double"],
        says="the worker printed more than 3 MB",
    ),
    Attack(
        "a worker that forks without end",
        (LAB, DOUBLE, "%%worker deliver\nimport os, time\nwhile os.fork(): pass\ntime.sleep(60)"),
        POINTS["double"],
        says="the worker started too many processes",
    ),
    Attack(
        "a worker that eats memory",
        (LAB, DOUBLE, "%%worker deliver\nx = bytearray(64 << 30)"),
        POINTS["double"],
        says="the worker used more than 3 GB of memory",
    ),
    Attack(
        "a worker without end",
        (LAB, DOUBLE, "%%worker deliver\nimport time\nwhile True: time.sleep(1)"),
        POINTS["double"],
        says="the worker did not end within 20 s",
    ),
    Attack(
        "processes that outlive it",
        (
            LAB,
            "import subprocess, sys\n"
            f"code = ['-c', 'import time; time.sleep(600)', {MARK!r}]\n"
            "subprocess.Popen([sys.executable, *code], start_new_session=True)",
            DOUBLE,
            DELIVER.replace(
                "import json, os\n",
                "import json, os, subprocess, sys\n"
                f"code = ['-c', 'import time; time.sleep(600)', {MARK!r}]\n"
                "subprocess.Popen([sys.executable, *code], start_new_session=True)\n",
            ),
            FAVOURITE,
        ),
        ALL,
        says="In capitals",
    ),
    Attack(
        "folders that cannot be removed",
        (
            PLAIN,
            "import os\n"
            "os.umask(0o777)\nos.mkdir('closed')\nos.umask(0)\n"
            "os.mkdir('unlisted', 0o300)\nopen('unlisted/file', 'w').close()\n"
            "for _ in range(2000): os.mkdir('d'); os.chdir('d')",
            DOUBLE,
        ),
        POINTS["double"],
        says="Twice",
    ),
    reading(
        "memory and queues that outlive it",
        "[libc.shmget(0, 9999, 0o1600), libc.msgget(0, 0o1600), libc.semget(0, 1, 0o1600),"
        " libc.syscall(319, b'x', 0)]",
        "[-1, -1, -1, -1]",
        "import ctypes\nlibc = ctypes.CDLL(None)",
    ),
    reading(
        "the grader's own limits",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "PermissionError",
        "import os, resource",
    ),
    reading(
        "the grader's cores and priority",
        "(os.sched_setaffinity(os.getppid(), {0}), os.setpriority(0, os.getppid(), 19),"
        " os.setpriority(2, 0, 19))",
        "(None, None, None)",
        "import os",
    ),
    reading("the clock", "time.clock_settime(0, 0)", "PermissionError", "import time"),
    reading("root's rights", "os.chroot('.')", "PermissionError", "import os"),
    reading(
        "a device of its own",
        "(os.mknod('disk', 0o60600, os.makedev(259, 0)), open('disk', 'rb').read(9))",
        "PermissionError",
        "import os",
    ),
]
