"""Makes the sample submissions from the learner's notebook and answers written by hand.

Run ``python tests/submissions/make.py`` after the lab has changed; a test fails until then.
"""

import random
from pathlib import Path

import nbformat

from streamgym.course.source import defined_in

HERE = Path(__file__).parent
LAB = HERE.parents[1] / "labs" / "03_windowing" / "lab.ipynb"
SOLUTIONS = HERE.parents[1] / "solutions" / "03_windowing"
Notebook = nbformat.NotebookNode

ADA = {
    "tumbling": """
def tumbling(time, size):
    return time - (time - EPOCH) % size
""",
    "sliding": """
def sliding(time, size, slide):
    newest = time - (time - EPOCH) % slide
    return sorted(newest - n * slide for n in range(100) if newest - n * slide > time - size)
""",
    "sessions": """
def sessions(times, gap):
    times = sorted(times)
    out = [[times[0], times[0], 0]]
    for t in times:
        if t - out[-1][1] >= gap:
            out.append([t, t, 0])
        out[-1][1] = t
        out[-1][2] += 1
    return out
""",
    "late_flights": """
def late_flights(arrivals, lateness):
    late = []
    top = arrivals[0][1]
    for flight, t in arrivals:
        if t > top:
            top = t
        if top - t > lateness:
            late.append(flight)
    return late
""",
    "watermark": """
def watermark(partitions, now, lateness, idle_after):
    alive = [p for p in partitions if p["seen"] > now - idle_after]
    if not alive:
        return None
    return min(p["newest"] for p in alive) - lateness
""",
    "hourly_delays": """
START = datetime(2013, 1, 1, tzinfo=UTC)
clock = win.EventClock(scheduled, wait_for_system_duration=LATENESS)
windower = win.TumblingWindower(length=timedelta(hours=1), align_to=START)
out = win.fold_window(
    "sum", by_airport, clock, windower,
    lambda: (0, 0.0),
    lambda acc, flight: (acc[0] + 1, acc[1] + flight["delay"]),
    lambda a, b: (a[0] + b[0], a[1] + b[1]),
)

def to_dict(kv):
    airport, (window, (n, total)) = kv
    start = (START + window * timedelta(hours=1)).isoformat()
    return {"airport": airport, "start": start, "flights": n, "mean_delay": total / n}

rows = op.map("dict", out.down, to_dict)
late = op.map("only_flight", out.late, lambda kv: kv[1][1])
""",
    "closed_windows": """
def closed_windows(stream):
    w = F.window("scheduled", "1 hour")
    grouped = stream.withWatermark("scheduled", "90 minutes").groupBy(w, "airport")
    result = grouped.agg(F.count(F.lit(1)).alias("flights"), F.mean("delay").alias("mean_delay"))
    return result.withColumn("start", F.col("window.start")).drop("window")
""",
    "patience": """
f = task["flights"]
lag = (f["scheduled"].cummax() - f["scheduled"]).dt.total_seconds() / 60
patience = min(m for m in range(0, 2000, 5) if (lag > m).mean() <= task["share"])
""",
}

BEN = ADA | {
    "tumbling": """
def tumbling(time, size):
    s = int(size.total_seconds())
    return datetime.fromtimestamp(int(time.timestamp()) // s * s, tz=UTC)
""",
    "sliding": """
def sliding(time, size, slide):
    found = []
    start = tumbling(time, slide)
    while time < start + size:
        found.insert(0, start)
        start = start - slide
    return found
""",
    "sessions": """
import itertools

def sessions(times, gap):
    times = sorted(times)
    number = itertools.accumulate([0] + [b - a >= gap for a, b in zip(times, times[1:])])
    groups = itertools.groupby(zip(number, times), key=lambda pair: pair[0])
    lists = [[t for _, t in group] for _, group in groups]
    return [(ts[0], ts[-1], len(ts)) for ts in lists]
""",
    "late_flights": """
import pandas as pd

def late_flights(arrivals, lateness):
    frame = pd.DataFrame(arrivals, columns=["flight", "time"])
    behind = frame["time"].cummax() - frame["time"]
    return frame["flight"][behind > lateness].tolist()
""",
    "hourly_delays": (SOLUTIONS / "plain_worker.py").read_text(),
}


def main() -> None:
    """Write all samples beside this file."""
    for name, text in samples().items():
        (HERE / name).write_text(text)


def samples() -> dict[str, str]:
    """Return the text of every sample by its file name."""
    made = {
        "ada_perfect": solved("ada", ADA),
        "ben_perfect_in_another_style": solved("ben", BEN),
        "chen_untouched": solved("chen", {}),
        "dara_half_done": solved("dara", {name: ADA[name] for name in list(ADA)[:4]}),
        "eli_wrong_in_three_ways": solved("eli", ADA | wrong_in_three_ways()),
        "fay_syntax_error": solved(
            "fay", ADA | {"sessions": "def sessions(times, gap)\n    return"}
        ),
        "gus_exits": inserted(solved("gus", ADA), "import sys\nsys.exit(0)"),
        "hana_endless_loop": solved("hana", ADA | {"sliding": ENDLESS}),
        "ivo_out_of_memory": solved("ivo", ADA | {"sessions": GREEDY}),
        "jo_shuffled_and_duplicated": shuffled(solved("jo", ADA)),
        "kim_claims_full_marks": claimed(solved("kim", {})),
    }
    texts = {f"{name}.ipynb": nbformat.writes(notebook) + "\n" for name, notebook in made.items()}
    return texts | {"leo_no_notebook.ipynb": "Dear instructor, my dog has eaten my notebook.\n"}


def wrong_in_three_ways() -> dict[str, str]:
    """Return three answers with a misconception each."""
    return {
        "tumbling": ADA["tumbling"].replace(
            "time - (time - EPOCH)", "time + size - (time - EPOCH)"
        ),
        "late_flights": ADA["late_flights"].replace("top - t > lateness", "t < top"),
        "watermark": ADA["watermark"].replace('if p["seen"] > now - idle_after', ""),
    }


ENDLESS = """
def sliding(time, size, slide):
    return []

while True:
    pass
"""

GREEDY = """
def sessions(times, gap):
    return []

hog = [bytearray(10**8) for _ in range(1000)]
"""


def solved(student: str, answers: dict[str, str]) -> Notebook:
    """Return the learner's notebook with these answers written in."""
    notebook = nbformat.read(LAB, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace('student=""', f'student="{student}"')
            for name in defined_in(cell.source) & answers.keys():
                cell.source = written(cell.source, name, answers[name].strip("\n"))
    return notebook


def written(starter: str, name: str, answer: str) -> str:
    """Return a cell with its answer; a worker keeps what stands around the part to be written."""
    if not starter.startswith("%%worker"):
        return answer
    if "KafkaConsumer" in answer:
        return f"%%worker {name}\n{answer}"
    head, _, tail = starter.partition("raise NotImplementedError")
    return head + answer + "\n" + tail.partition("\n")[2]


def inserted(notebook: Notebook, code: str) -> Notebook:
    """Return a notebook with one more code cell in its middle."""
    middle = len(notebook.cells) // 2
    notebook.cells.insert(middle, nbformat.v4.new_code_cell(code, id="inserted"))
    return notebook


def shuffled(notebook: Notebook) -> Notebook:
    """Return a notebook whose answers stand elsewhere, and some of them twice."""
    first, rest = notebook.cells[:4], notebook.cells[4:]
    random.Random(3).shuffle(rest)
    again = [copy for copy in rest if copy.cell_type == "code"][:5]
    copies = [nbformat.v4.new_code_cell(c.source, id=f"copy-{n}") for n, c in enumerate(again)]
    notebook.cells = [*first, *rest, *copies]
    return notebook


def claimed(notebook: Notebook) -> Notebook:
    """Return an untouched notebook whose stored outputs say that all was passed."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("lab.check"):
            text = "PASSED (10 of 10 points)\n"
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
            cell.execution_count = 1
    notebook.metadata["streamgym"]["results"] = [{"verdict": "passed", "points": 1000}]
    return notebook


if __name__ == "__main__":
    main()
