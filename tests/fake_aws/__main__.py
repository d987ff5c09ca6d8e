"""Run the fake AWS as a process of its own.

Prints one line of JSON: the executor's options for it. Ends when its standard input closes.
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.fake_aws import scripts
from tests.fake_aws.aws import FakeAws

SCRIPTS: dict[str, scripts.Script] = {
    "played": scripts.played,
    "here": scripts.run_here,
    "process": scripts.run_process,
}


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_aws", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a call takes")
    parser.add_argument("--job-seconds", type=float, default=0.0, help="how long a job runs")
    parser.add_argument("--queue-seconds", type=float, default=0.0, help="how long it waits")
    parser.add_argument("--definition-delay", type=float, default=0.0, help="until visible")
    parser.add_argument("--result-size", type=int, default=0, help="bytes of every result")
    parser.add_argument("--script", choices=SCRIPTS, default="played", help="what jobs do")
    parser.add_argument("--port", type=int, help="port to listen on (default: a free one)")
    given = vars(parser.parse_args())
    result_size, script = given.pop("result_size"), SCRIPTS[given.pop("script")]
    with FakeAws(**given, script=script) as aws:
        aws.result_size = result_size
        print(json.dumps(aws.executor_options()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
