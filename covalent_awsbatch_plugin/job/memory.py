"""Whether the kernel has killed processes of this container because memory ran out."""

from __future__ import annotations

from pathlib import Path

# The container's own control group, in the kernel's second and first version of them.
COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def kills() -> int:
    """Return how many processes were killed so far; 0 where the kernel does not count them."""
    for path in COUNTERS:
        try:
            lines = Path(path).read_text("ascii").splitlines()
        except (OSError, ValueError):
            continue
        counts = dict(line.split(" ", 1) for line in lines if " " in line)
        return int(counts.get("oom_kill", 0))
    return 0
