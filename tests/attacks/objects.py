"""6. Objects: values that lie about what they are."""

from .attack import DOUBLE, PLAIN, POINTS, Attack

LYING = {
    "always equal": (
        "class Same(int):\n"
        "    def __eq__(self, other): return True\n"
        "    def __hash__(self): return 1\n"
        "    def __rsub__(self, other): return 0\n"
        "value = Same(3)",
        "Same is not plain data",
    ),
    "an always equal date": (
        "from datetime import datetime\n"
        "class Same(datetime):\n"
        "    def __eq__(self, other): return True\n"
        "value = Same(2020, 1, 1)",
        "2020-01-01",
    ),
    "claims to be an int": (
        "class Fake:\n"
        "    __class__ = int\n"
        "    def __eq__(self, other): return True\n"
        "    def __int__(self): return 7\n"
        "value = Fake()",
        "Fake is not plain data",
    ),
    "claims to be numpy's": (
        "class Fake:\n    def tolist(self): return self\nFake.__module__ = 'numpy'\nvalue = Fake()",
        "Twice",
    ),
    "a list that changes": (
        "class Lazy(list):\n"
        "    def __iter__(self): return iter([7])\n"
        "    def __len__(self): return 10**9\n"
        "value = Lazy()",
        "[7]",
    ),
    "a pickle that runs code": (
        "class Evil:\n"
        "    def __reduce__(self): return (__import__('os').system, ('touch /tmp/evil',))\n"
        "    def __getattr__(self, name): raise SystemExit\n"
        "value = Evil()",
        "Twice",
    ),
    "not a number": ("value = float('nan')", "nan"),
    "infinity": ("value = float('inf')", "inf"),
    "true for one": ("value = True", "True"),
    "a number of many digits": ("value = 10**100_000", "Twice"),
    "a text of one number": ("value = '7'", "7"),
    "half a character": ("value = '\\ud800' * 3", "Twice"),
    "nested deeply": (
        "value = []\nfor _ in range(100_000): value = [value]",
        "the value is nested too deeply",
    ),
    "nested in itself": ("value = []\nvalue.append(value)", "the value is nested too deeply"),
    "huge": ("value = 'x' * 30_000_000", "the value is longer than"),
    "keys that collide": ("value = {1: 7, '1': 8, None: 7, 'None': 8}", "1: 8"),
    "a frame of frames": (
        "import pandas as pd\nvalue = pd.DataFrame({'a': [7], 7: [pd.DataFrame()]})",
        "Twice",
    ),
}

ATTACKS = [
    Attack(name, (PLAIN, f"{code}\nfavourite = value\ndef double(number): return value"), 0, says)
    for name, (code, says) in LYING.items()
] + [
    Attack(
        "remembers what it was asked",
        (
            PLAIN,
            "asked = []\ndef double(number):\n    asked.append(number)\n    return asked[0] * 2",
            "class Late:\n    def __repr__(self): return str(asked)\nfavourite = asked",
        ),
        0,
        says="1 of 5 cases",
    ),
    Attack(
        "looks for the right value in frames and garbage",
        (
            PLAIN,
            "import gc, sys\n"
            "def found():\n"
            "    frame, seen = sys._getframe(), set()\n"
            "    while frame:\n"
            "        seen |= {*frame.f_code.co_varnames, *frame.f_globals}\n"
            "        frame = frame.f_back\n"
            "    seen |= {k for o in gc.get_objects() if type(o) is dict for k in [*o]\n"
            "             if type(k) is str}\n"
            "    return sorted(seen & {'expected', 'equals', 'secret', 'rng', 'due'})\n"
            "def double(number):\n"
            "    for o in gc.get_objects():\n"
            "        if type(o) is dict and 'expected' in o: return o['expected']\n"
            "    return 'searched'",
            "favourite = found()",
        ),
        0,
        says="searched",
    ),
    Attack(
        "hard-codes what the public seed draws",
        (
            PLAIN,
            "from random import Random\n"
            "from streamgym.checks.seeds import seed_of\n"
            "drawn = Random(seed_of('01_target', 'double', 'eve'))\n"
            "known = {n: 2 * n for n in (drawn.randrange(10**6) for _ in range(5))}\n"
            "def double(number): return known.get(number, 'hard-coded')",
        ),
        0,
        says="hard-coded",
    ),
    Attack(
        "an output nested deeply",
        (
            PLAIN,
            DOUBLE,
            "from IPython.display import publish_display_data\n"
            "value = []\n"
            "for _ in range(700): value = [value]\n"
            "publish_display_data({'application/json': value, 'text/plain': 'x'})",
            "favourite = 'nested output'",
        ),
        POINTS["double"],
        says="nested output",
    ),
]
