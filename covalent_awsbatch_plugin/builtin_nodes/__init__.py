"""Covalent's built-in nodes, run on the server's host instead of as jobs.

With ``@ct.lattice(executor="awsbatch")`` Covalent gives the executor its own nodes too: building
lists and dicts of results, taking items and attributes, arithmetic, post-processing. Each is
milliseconds of work and would be a job of minutes. They run in a few processes next to the server,
not in it: what they unpickle is the user's. A node that cannot run there goes to Batch.
"""

from ..protocol import messages

# A reply of this status means: run it on Batch.
ELSEWHERE = messages.START_FAILED
