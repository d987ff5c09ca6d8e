"""Calls to AWS: credentials, clients, rate limits, retries, and errors translated."""
