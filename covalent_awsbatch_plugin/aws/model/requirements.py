"""What user code that imports Covalent or boto3 gets in a job: the versions of this machine."""

from __future__ import annotations

from importlib.metadata import requires, version

# What user code may import without asking for it, at this machine's versions.
REQUIREMENTS = ("covalent", "cloudpickle", "boto3")

# What keeps pip from releases of Covalent's requirements that do not work with it, or that it
# would take minutes to rule out.
BOUNDS = ("alembic", "fastapi", "sqlalchemy-utils")


def exact() -> list[str]:
    """Return the requirements with their versions."""
    return [f"{name}=={version(name)}" for name in REQUIREMENTS]


def bounds() -> list[str]:
    """Return our own bounds on Covalent's requirements, from this package's metadata."""
    ours = requires("covalent-awsbatch-plugin") or []
    return sorted(line for line in ours if line.startswith(BOUNDS) and ";" not in line)


def on_demand() -> dict[str, list[str]]:
    """Return what pip is to install for each distribution that user code imports."""
    return {"covalent": [*exact(), *bounds()], "boto3": [f"boto3=={version('boto3')}"]}
