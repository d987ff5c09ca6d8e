"""The conformance suite of the local AWS's jobs, over containers."""

from __future__ import annotations

from tests.conformance.test_local_batch import *  # noqa: F403 - every test and fixture of it
