"""The archive of Covalent and what it needs: what server and job agree on."""

from __future__ import annotations

import sys

# What is in the archive, beside a folder for each distribution, laid out as in site-packages.
MANIFEST = "manifest.json"


def python() -> str:
    """Return a name of this Python: modules compiled by one of another name are of no use."""
    return f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
