"""Requests to Batch and its responses as plain data. Pure: no I/O, no clock."""
