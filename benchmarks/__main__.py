"""Measure, print the table, and write ``docs/benchmarks.md``, its plot and the README's table.

What fails is reported at the end and named on the page; the other measurements are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from typing import Any

from benchmarks import places, readme, report
from benchmarks.cases import CASES, FULL, QUICK, Size


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of all; writes nothing")
    parser.add_argument("--only", action="append", choices=CASES, help="measure only this again")
    parser.add_argument("--report", action="store_true", help="only write the page again")
    arguments = parser.parse_args()
    chosen = [] if arguments.report else arguments.only or list(CASES)
    if arguments.quick:
        report.show({name: measure(name, QUICK) for name in chosen})
        print("Targets are those of a full run: what is fixed weighs more in less work.")
        return
    failed = [name for name in chosen if not measured_and_stored(name)]
    report.show(stored())
    report.write(stored(), list(CASES))
    readme.write(stored())
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}. What happened is above.")


def measured_and_stored(name: str) -> bool:
    """Measure a part anew; return whether that succeeded. What was measured before is dropped."""
    rest = {part: found for part, found in stored().items() if part != name}
    store(rest)
    try:
        store({**rest, name: measure(name, FULL), "machine": report.machine()})
    except Exception:  # noqa: BLE001 - hours of other measurements must not be lost for it
        traceback.print_exc()
        return False
    return True


def measure(name: str, size: Size) -> dict[str, Any]:
    """Run the benchmark of this name."""
    started = time.monotonic()
    print(f"{name} ...", end=" ", flush=True)
    measured = CASES[name](size)
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    return measured


def stored() -> dict[str, Any]:
    """Return the latest measurements."""
    return dict(json.loads(places.RESULTS.read_text())) if places.RESULTS.exists() else {}


def store(measured: dict[str, Any]) -> None:
    """Keep measurements, less what no figure needs."""
    places.RESULTS.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        _without(measured, ("describe_times", "results", "window", "finished")), indent=1
    )
    places.RESULTS.write_text(text + "\n")


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return round(value, 6) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
