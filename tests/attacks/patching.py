"""7. Patching: what a check may rely on, replaced where the answers live."""

from .attack import DELIVER, DOUBLE, FAVOURITE, LAB, PLAIN, POINTS, Attack, tried

WRONG = ("def double(number):\n    return 'patched'", "favourite = 'patched'")

PATCHED = {
    "builtins": (
        "import builtins\n"
        "builtins.abs = builtins.float = builtins.len = lambda *a: 0\n"
        "builtins.isinstance = builtins.all = lambda *a: True"
    ),
    "json": "import json\njson.dumps = lambda *a, **k: '{\"value\": 7}'",
    "time and random": (
        "import random, time\n"
        "time.time = time.monotonic = lambda: 0.0\n"
        "random.Random.randrange = lambda *a: 7\nrandom.seed = lambda *a: None"
    ),
    "testing helpers": (
        "import pandas.testing as pt, numpy.testing as nt, unittest\n"
        "pt.assert_frame_equal = nt.assert_equal = lambda *a, **k: None\n"
        "unittest.TestCase.assertEqual = lambda *a: None"
    ),
    "the checks": (
        "from streamgym.checks import expect as e\n"
        "import streamgym.checks as c, streamgym.checks.expect as m\n"
        "m.same = lambda *a: True\n"
        "lab.exercises['double'].check.__globals__['expect'] = lambda *a, **k: None"
    ),
    "the lab": "lab.check = lambda name: print('passed')\nlab.exercises.clear()",
    "the Kafka client": (
        "import kafka\nkafka.KafkaProducer.send = lambda *a, **k: None\n"
        "kafka.KafkaConsumer.poll = lambda *a, **k: {}"
    ),
}
SERVED = {
    "answers itself": '{"outcomes": [{"value": true}], "outcome": {"value": 7.0001}}',
    "answers nonsense": "{[[[",
    "answers no number": '{"outcomes": [{"value": NaN}], "outcome": {"value": NaN}}',
    "answers infinity": '{"outcomes": [{"value": 1e999}], "outcome": {"value": -Infinity}}',
    "answers with tags": '{"outcome": {"value": {"$frame": 5, "$time": [], "$decimal": {}}}}',
    "answers of the wrong kind": '{"outcomes": "77777", "outcome": ["value", 7]}',
    "answers nested deeply": '{"outcome": {"value": ' + "[" * 900 + "]" * 900 + "}}",
    "answers that it is missing": '{"missing": "' + "m" * 3_000_000 + '"}',
    "answers digits without end": '{"outcome": {"value": ' + "9" * 100_000 + "}}",
}

ATTACKS = (
    [
        Attack(f"patches {what}", (PLAIN, code, *WRONG), 0, says="Twice")
        for what, code in PATCHED.items()
    ]
    + [
        Attack(
            name,
            (
                LAB,
                f"import streamgym.grading.inside as inside\ninside.serve = lambda *a: {reply!r}",
            ),
            0,
            says="A number",
        )
        for name, reply in SERVED.items()
    ]
    + [
        Attack(
            "modules that shadow real ones",
            (
                PLAIN,
                "from pathlib import Path\n"
                "for name in ('json', 'kafka', 'sitecustomize', 'streamgym', 'zmq'):\n"
                "    Path(f'{name}.py').write_text('raise SystemExit(0)')\n"
                "Path('evil.pth').write_text('import os; os._exit(0)')",
                "import os\nos._exit(1)",
                DOUBLE,
                FAVOURITE,
            ),
            POINTS["double"] + POINTS["favourite"],
            says="Twice",
        ),
        Attack(
            "writes into Python's own libraries",
            (
                PLAIN,
                "import json, site",
                tried("open(json.__file__, 'a').write('x')"),
                tried("open(site.getsitepackages()[0] + '/evil.pth', 'w')", "again"),
                "favourite += again",
                DOUBLE,
            ),
            POINTS["double"],
            says="PermissionError",
        ),
        Attack(
            "a worker that shadows",
            (
                LAB,
                DELIVER.replace(
                    "import json, os\n",
                    "import json, os, sys\nopen('kafka.py', 'w').write('x = 1')\n"
                    "sys.path.insert(0, '.')\n",
                ),
                DOUBLE,
            ),
            POINTS["double"],
            says="ImportError",
        ),
    ]
)
