"""Executor and commands over Batch emulators and an S3 server that others wrote."""
