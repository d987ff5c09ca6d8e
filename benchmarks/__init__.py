"""What a task costs, measured side by side with release 0.42: ``python -m benchmarks``."""
