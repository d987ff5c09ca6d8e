"""AWS's services apart from Batch's jobs: moto, and patches of what it lacks.

Workflows need ``moto_backend``, ``clients`` and ``stack``. The rest serves the commands against
the local AWS, and this project's tests of them: ``cloudformation`` (with change sets) ``deploy``,
``iam_simulation`` and ``quotas`` ``doctor``, ``batch_queues`` ``jobs``.
"""
