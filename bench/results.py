"""What every benchmark writes: one file of rows, and a plot of it.

A results file is one JSON object:

    {"machine": ..., "date": ..., "command": ..., "rows": [
        {"name": ..., "value": ..., "unit": ..., "against": ..., "goal": ..., "met": ...}, ...]}

`value` was measured, in `unit`. `against` says in words what it is compared with, or is null. `goal` is a bound on the
value, such as ">= 10" or "< 1", or null; `met` says whether the value keeps to it, and is null where there is none.
Nobody types `met`: it is computed from value and goal, here and again when a file is checked.

A benchmark calls `write`. By hand:

    python bench/results.py check docs/results/*.json     is each file well formed, with its plot beside it?
    python bench/results.py draw docs/results/*.json      draw the plots again
    python bench/results.py show docs/results/*.json      print the rows
"""

import argparse
import datetime
import json
import math
import operator
import os
import pathlib
import platform
import re
import sys
import tempfile
import textwrap
from dataclasses import dataclass

FIELDS = ("machine", "date", "command", "rows")
ROW_FIELDS = ("name", "value", "unit", "against", "goal", "met")

BOUNDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
GOAL = re.compile(r"(<=|>=|<|>) (-?\d+(?:\.\d+)?(?:e-?\d+)?)")

# Bars of one unit that are further apart than this are drawn on a logarithmic axis.
LINEAR_RATIO = 20
# Characters in a line of a bar's label.
LABEL_WIDTH = 84
COLOURS = {True: "#2f7d4f", False: "#b3392f", None: "#5b7083"}


class Malformed(ValueError):
    """A results file, or what was to become one, is not of the form above."""


@dataclass(frozen=True)
class Row:
    """One measured value."""

    name: str
    value: float
    unit: str
    against: str | None = None
    goal: str | None = None

    def __post_init__(self):
        for field in ("name", "unit"):
            text = getattr(self, field)
            if not isinstance(text, str) or not text.strip():
                raise Malformed(f"{field} is {text!r}: it must be a text")
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not math.isfinite(self.value):
            raise Malformed(f"{self.name}: value is {self.value!r}: it must be a finite number")
        if self.against is not None and (not isinstance(self.against, str) or not self.against.strip()):
            raise Malformed(f"{self.name}: against is {self.against!r}: say in words with what it is compared, or null")
        if self.goal is not None:
            parse_goal(self.goal)

    @property
    def met(self) -> bool | None:
        """Whether the value keeps to the goal."""
        if self.goal is None:
            return None
        keeps, bound = parse_goal(self.goal)
        return keeps(self.value, bound)

    def to_json(self) -> dict:
        return {field: getattr(self, field) for field in ROW_FIELDS}


def parse_goal(goal: str):
    """A goal as a comparison and a bound."""
    match = GOAL.fullmatch(goal) if isinstance(goal, str) else None
    if match is None:
        raise Malformed(f'goal is {goal!r}: write a bound such as ">= 10" or "< 1", or null')
    return BOUNDS[match[1]], float(match[2])


def write(path: os.PathLike | str, command: str, rows: list[Row], beside: str | None = None) -> None:
    """Writes rows to `path` (.json), and their plot beside it (.svg). Each file is replaced whole or not at all.

    `beside`: what the machine has that was measured, beside its processor.
    """
    path = pathlib.Path(path)
    document = {
        "machine": ", ".join([machine(), *([beside] if beside else [])]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command,
        "rows": [row.to_json() for row in rows],
    }
    validate(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    plot = draw(document, path.stem)
    replace(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    replace(path.with_suffix(".svg"), plot)


def validate(document) -> list[Row]:
    """The rows of a results file, or `Malformed`."""
    if not isinstance(document, dict) or tuple(document) != FIELDS:
        raise Malformed(f"a results file has the fields {', '.join(FIELDS)}, in this order")
    for field in ("machine", "date", "command"):
        if not isinstance(document[field], str) or not document[field].strip():
            raise Malformed(f"{field} is {document[field]!r}: it must be a text")
    try:
        datetime.datetime.strptime(document["date"], "%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise Malformed(f"date: {error}") from error
    if not isinstance(document["rows"], list) or not document["rows"]:
        raise Malformed("there are no rows: a benchmark that measured nothing writes nothing")
    rows = []
    for entry in document["rows"]:
        if not isinstance(entry, dict) or tuple(entry) != ROW_FIELDS:
            raise Malformed(f"{entry!r}: a row has the fields {', '.join(ROW_FIELDS)}, in this order")
        row = Row(**{field: entry[field] for field in ROW_FIELDS if field != "met"})
        if entry["met"] is not row.met:
            raise Malformed(f"{row.name}: met is {entry['met']!r}, but {row.value} {row.unit} under {row.goal!r} is {row.met}")
        rows.append(row)
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Malformed(f"more than one row is named {', '.join(sorted(twice))}")
    return rows


def read(path: os.PathLike | str) -> dict:
    """A results file, validated."""
    document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    validate(document)
    return document


def replace(path: pathlib.Path, content: bytes) -> None:
    """Writes a file beside its place, and moves it there when it is on disk: nobody sees half of it."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        pathlib.Path(beside).unlink(missing_ok=True)
        raise


def machine() -> str:
    """Processor, cores, memory and system, as far as they can be told."""
    processor = platform.processor() or platform.machine()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
        processor = model[1] if model else processor
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor}, {cores} cores, {memory:.0f} GiB, {platform.system()}"


def number(value: float) -> str:
    """A value to three digits, as people write it."""
    if value == 0 or 0.001 <= abs(value) < 10_000:
        digits = 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
        return f"{value:.{digits}f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.2e}"


def draw(document: dict, title: str) -> bytes:
    """The plot of a results file as SVG: a group of bars for each unit, goals as lines, missed ones in red."""
    import io

    import matplotlib

    matplotlib.use("svg")
    # The same rows give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "results", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    groups: dict[str, list[Row]] = {}
    for row in validate(document):
        groups.setdefault(row.unit, []).append(row)
    # Inches: a bar for each row, as high as its name needs, and the axis.
    heights = [len(rows) * (0.14 + 0.15 * max(label(row).count("\n") + 1 for row in rows)) + 0.6 for rows in groups.values()]
    figure, panels = pyplot.subplots(
        len(groups), 1, figsize=(13, sum(heights) + 0.5), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for panel, (unit, rows) in zip(panels[:, 0], groups.items(), strict=True):
        draw_group(panel, unit, rows)
    figure.suptitle(f"{title}: {document['machine']}, {document['date'][:10]}, {document['command']}", fontsize=9)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return drawn.getvalue()


def label(row: Row) -> str:
    """A row's name, and with what it is compared, in lines."""
    return textwrap.fill(row.name if row.against is None else f"{row.name}, against {row.against}", LABEL_WIDTH)


def draw_group(panel, unit: str, rows: list[Row]) -> None:
    places = range(len(rows))
    bounds = [parse_goal(row.goal)[1] for row in rows if row.goal is not None]
    shown = [row.value for row in rows] + bounds
    if min(shown) > 0 and max(shown) / min(shown) > LINEAR_RATIO:
        panel.set_xscale("log")
        panel.set_xlim(min(shown) / 3, max(shown) * 12)
    else:
        panel.set_xlim(min(0, 1.2 * min(shown)), 1.3 * max(0, max(shown)) or 1)
    panel.barh(places, [row.value for row in rows], height=0.6, color=[COLOURS[row.met] for row in rows])
    for place, row in zip(places, rows, strict=True):
        verdict = "" if row.goal is None else f"  (goal {row.goal}{'' if row.met else ', missed'})"
        panel.annotate(
            f"{number(row.value)}{verdict}",
            (row.value, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
        if row.goal is not None:
            panel.plot([parse_goal(row.goal)[1]] * 2, [place - 0.42, place + 0.42], color="black", linewidth=1.5)
    panel.set_yticks(places, [label(row) for row in rows], fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel(unit)
    panel.spines[["top", "right"]].set_visible(False)


def show(document: dict) -> str:
    """The rows as a table for a terminal."""
    lines = []
    for row in validate(document):
        goal = "" if row.goal is None else f"   goal {row.goal}: {'met' if row.met else 'MISSED'}"
        against = "" if row.against is None else f"   against {row.against}"
        lines.append(f"{number(row.value):>10} {row.unit:<14} {row.name}{against}{goal}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks, draws or shows results files.")
    parser.add_argument("action", choices=["check", "draw", "show"])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    failed = False
    for path in arguments.files:
        try:
            document = read(path)
            plot = path.with_suffix(".svg")
            if arguments.action == "draw":
                replace(plot, draw(document, path.stem))
            elif arguments.action == "show":
                print(show(document))
            elif not plot.exists():
                raise Malformed(f"there is no plot {plot.name} beside it: draw it")
        except (Malformed, OSError, json.JSONDecodeError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
