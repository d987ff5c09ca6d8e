"""The archive of Covalent and what it needs: what server and job agree on."""

from __future__ import annotations

import sys

# What is in the archive, beside a folder for each distribution, laid out as in site-packages.
MANIFEST = "manifest.json"


# Requirements of Covalent's that its server alone imports, each with its module. The archive lacks
# them; a job installs one when user code imports it.
SERVER_MODULES = {
    "aiohttp": "aiohttp",
    "alembic": "alembic",
    "fastapi": "fastapi",
    "natsort": "natsort",
    "python-socketio": "socketio",
    "rich": "rich",
    "sqlalchemy": "sqlalchemy",
    "sqlalchemy-utils": "sqlalchemy_utils",
    "uvicorn": "uvicorn",
}


def python() -> str:
    """Return a name of this Python: modules compiled by one of another name are of no use."""
    return f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
