"""One walk through a real AWS account: ``make test-aws``, or ``python -m tests.account``.

It makes a stack of its own, runs a workflow of each kind and a failure of each kind on it,
measures what only an account can show, prints a report to send back, and deletes everything again.
"""
