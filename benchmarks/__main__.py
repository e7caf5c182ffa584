"""`make bench`: runs the measures and writes benchmarks/results/latest.json and latest.md."""

import argparse
import json
import os
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measures import MEASURES
from benchmarks.rig import rig

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("dramatiq", "falcon", "gunicorn", "hiredis", "msgspec", "pika", "redis", "uvloop")


def main() -> None:
    """Run the chosen measures in turn; every one says how far it is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "measures", nargs="*", metavar="measure", help=f"of {', '.join(MEASURES)} (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measure (default 3)")
    options = parser.parse_args()
    if unknown := sorted(set(options.measures) - set(MEASURES)):
        parser.error(f"unknown measure {unknown[0]}; choose of {', '.join(MEASURES)}")
    rows = []
    with rig() as made:
        for name in options.measures or list(MEASURES):
            measure, unit, better = MEASURES[name]
            print(f"{name}: {(measure.__doc__ or '').splitlines()[0]}", flush=True)
            sides = measure(made, options.rounds, lambda line: print(f"  {line}", flush=True))
            rows.append(_row(name, unit, better, sides))
    document = {
        "machine": {
            "cpus": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "versions": {name: version(name) for name in PACKAGES},
        "measures": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    table = _table(rows)
    (RESULTS / "latest.md").write_text(table, encoding="utf-8")
    sys.stdout.write("\n" + table)


def _row(name: str, unit: str, better: str, sides: dict[str, list[float]]) -> dict[str, Any]:
    def spread(values: list[float]) -> dict[str, float]:
        ordered = {"median": statistics.median(values), "min": min(values), "max": max(values)}
        return {key: round(value, 3) for key, value in ordered.items()}

    ours = sides.pop("callboard")
    return {
        "name": name,
        "unit": unit,
        "better": better,
        "callboard": spread(ours),
        "peers": {peer: spread(values) for peer, values in sides.items()},
        "ratio": {
            peer: round(statistics.median(ours) / statistics.median(values), 2)
            for peer, values in sides.items()
        },
    }


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| measure | unit | Callboard (min to max) | peers | ratio |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        ours = row["callboard"]
        peers = ", ".join(f"{name} {side['median']:,.4g}" for name, side in row["peers"].items()) or "-"
        ratio = ", ".join(f"{value}" for value in row["ratio"].values()) or "-"
        lines.append(
            f"| {row['name']} | {row['unit']} "
            f"| {ours['median']:,.5g} ({ours['min']:,.5g} to {ours['max']:,.5g}) | {peers} | {ratio} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
