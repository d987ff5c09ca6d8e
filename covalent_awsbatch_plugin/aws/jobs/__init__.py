"""Batch jobs: definitions, submission, polling, outcomes and logs."""
