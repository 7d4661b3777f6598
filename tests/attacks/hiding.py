"""2. Hiding: what an answer's cell raises, or runs, is kept from whoever looks."""

from .attack import DOUBLE, PLAIN, POINTS, Attack

WRONG = "def double(number):\n    raise ValueError('wrong')"

HIDE = {
    "hides errors by set_custom_exc": (
        "ip.set_custom_exc((BaseException,), lambda *a, **k: print('passed'))"
    ),
    "patches showtraceback": "type(ip).showtraceback = lambda *a, **k: None",
    "patches run_cell": (
        "import types\n"
        "from IPython.core.interactiveshell import ExecutionResult, ExecutionInfo\n"
        "ip.run_cell = lambda *a, **k: ExecutionResult(ExecutionInfo('', False, False, True, None))"
    ),
    "transforms its input": (
        "ip.input_transformers_cleanup.append("
        "lambda lines: [line.replace('raise ValueError', 'return 7 #') for line in lines])"
    ),
    "transforms the tree": (
        "import ast\n"
        "class Drop(ast.NodeTransformer):\n"
        "    def visit_Raise(self, node):\n"
        "        return ast.copy_location(ast.parse('return 0').body[0], node)\n"
        "ip.ast_transformers.append(Drop())"
    ),
    "hooks before each cell": (
        "ip.events.register('pre_run_cell', lambda info: ip.user_ns.update(favourite='hooked'))"
    ),
    "answers by its own __missing__": (
        "class Full(dict):\n"
        "    def __missing__(self, key): return 7\n"
        "    def __contains__(self, key): return True\n"
        "ip.user_ns = Full(ip.user_ns)"
    ),
}

ATTACKS = [
    Attack(name, (PLAIN, f"ip = get_ipython()\n{code}", WRONG, "favourite = 3"), 0, says="A number")
    for name, code in HIDE.items()
] + [
    Attack(
        "traces every call",
        (
            PLAIN,
            "import sys\n"
            "def tracer(frame, event, arg):\n"
            "    if frame.f_code.co_name == 'double' and event == 'return':\n"
            "        frame.f_trace_lines = False\n"
            "    return tracer\n"
            "sys.settrace(tracer)\nsys.setprofile(lambda *a: None)",
            DOUBLE,
            "favourite = 'traced'",
        ),
        POINTS["double"],
        says="traced",
    ),
]
