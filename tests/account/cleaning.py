"""The end of the walk, however it came: nothing of it stays on the account."""

from __future__ import annotations

import time
from dataclasses import replace

from .site import Done, Site

# Seconds that deleting may take; instances take minutes to end.
LIMIT = 1200.0

NO_STACK, BUSY = "There is no stack", "is being changed elsewhere"


def clean_up(site: Site) -> bool:
    """Delete the walk's stacks; return whether nothing of them is left."""
    print("Deleting everything. This takes some minutes; do not interrupt it.", flush=True)
    # The older stack has AWS at work while the other one is deleted.
    places = (replace(site, prefix=f"{site.prefix}-o"), site)
    gone = [_deleted(place) for place in places]
    return all(gone)


def _deleted(site: Site) -> bool:
    until = time.monotonic() + LIMIT
    done = _delete(site, until)
    # A deployment that was interrupted goes on at AWS, and can be deleted when it has ended.
    while BUSY in done.err and time.monotonic() < until:
        time.sleep(site.pause)
        done = _delete(site, until)
    gone = done.code == 0 or NO_STACK in done.err
    if done.code == 0 or not gone:
        site.report.add(f"deploy --delete of {site.prefix}", gone, done.seconds, done.last_line)
    if not gone:
        again = " ".join(site.access)
        print(
            f"The stack {site.prefix}-awsbatch is not deleted. Delete it with:\n"
            f"  covalent-awsbatch deploy --delete --prefix {site.prefix} {again}",
            flush=True,
        )
    return gone


def _delete(site: Site, until: float) -> Done:
    return site.deploy("--delete", "--yes", limit=max(until - time.monotonic(), 1.0))
