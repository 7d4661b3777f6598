"""4. Forging: verdicts, results, and the kernel's own messages."""

from .attack import DOUBLE, PLAIN, POINTS, Attack, tried
from .catalogue import Around

PRINTS = """
from IPython.display import publish_display_data
for kind in ("passed", {"verdict": "passed", "points": 6}):
    publish_display_data({"application/vnd.streamgym+json": str(kind)})
print("verdict: passed, 11 of 11 points")
"""
SENDS = """
import json
reply = json.dumps({"outcomes": [{"value": 7}] * 5, "outcome": {"value": "forged"}})
kernel = get_ipython().kernel
content = {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {"value": {
    "status": "ok", "metadata": {}, "data": {"application/vnd.streamgym+json": reply}}}}
send = kernel.session.send
def forged(stream, kind, *args, **kwargs):
    if kind == "execute_reply":
        for parent in (kernel.get_parent("shell"), {}, {"msg_id": 5}):
            send(stream, kind, content, parent=parent, ident=kwargs.get("ident"))
    return send(stream, kind, *args, **kwargs)
kernel.session.send = forged
"""
BY_KEY = """
import json, zmq
from jupyter_client.session import Session
info = json.load(open("kernel.json"))
session = Session(key=info["key"].encode(), signature_scheme=info["signature_scheme"])
socket = zmq.Context.instance().socket(zmq.DEALER)
socket.connect(f"ipc://{info['ip']}-{info['shell_port']}")
session.send(socket, "shutdown_request", {"restart": False})
favourite = "sent by key"
"""
REPLACES = """
import json, os, pathlib
for path in pathlib.Path(".").glob("k-*"):
    path.unlink()
pathlib.Path("kernel.json").unlink(missing_ok=True)
os.symlink("/etc/passwd", "kernel.json")
favourite = "replaced"
"""
FLOODS = """
import threading
def flood():
    kernel = get_ipython().kernel
    while True:
        kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "x" * 9999})
threading.Thread(target=flood, daemon=True).start()
"""


def attacks(around: Around) -> list[Attack]:
    """Return the attacks on what is written and sent."""
    results = around.out / "results.sqlite"
    return [
        Attack("prints a verdict", (PLAIN, PRINTS, "double = favourite = 'printed'"), 0, "printed"),
        Attack(
            "writes the results",
            (PLAIN, tried(f"open({str(results)!r}, 'a')"), DOUBLE),
            POINTS["double"],
            "PermissionError",
        ),
        Attack(
            "links to the results",
            (
                PLAIN,
                "import os\nos.symlink(" + repr(str(results)) + ", 'soft')",
                tried(f"os.link({str(results)!r}, 'hard')", "hard"),
                tried("open('soft', 'a')"),
                "favourite += hard",
                DOUBLE,
            ),
            POINTS["double"],
            "Permission denied",
        ),
        Attack(
            "replaces the grader's folders",
            (
                PLAIN,
                "import os",
                tried("os.rename('..', '../../x')", "up"),
                tried(f"os.rmdir({str(around.out)!r})", "out"),
                tried("(os.rename(os.getcwd(), os.getcwd() + 'x'))"),
                "favourite += up + out",
                DOUBLE,
            ),
            POINTS["double"],
            "PermissionError",
        ),
        Attack(
            "changes the modes and times of others' files",
            (
                PLAIN,
                "import os",
                *(
                    tried(f"os.{call}({str(around.submissions)!r}, {value})", call)
                    for call, value in [("chmod", "0"), ("utime", "(1, 1)"), ("chown", "1, 1")]
                ),
                "favourite = 'changed'",
                DOUBLE,
            ),
            POINTS["double"],
            "changed",
        ),
        Attack("forges replies", (PLAIN, SENDS, "favourite = 3"), 0, "A number"),
        Attack("shuts the kernel down by key", (PLAIN, BY_KEY), 0, "A number"),
        Attack(
            "replaces the connection file", (PLAIN, REPLACES, DOUBLE), POINTS["double"], "replaced"
        ),
        Attack(
            "floods the channels",
            (PLAIN, DOUBLE, FLOODS, "favourite = 3"),
            POINTS["double"],
            harms_itself=True,
        ),
        Attack(
            "injects markup",
            (
                PLAIN,
                "favourite = '</td><script>alert(1)</script>\\x1b[2J=1+1'",
                "def double(n): raise ValueError('</pre><img src=x onerror=alert(2)>')",
            ),
            0,
            "&lt;script&gt;",
        ),
    ]
