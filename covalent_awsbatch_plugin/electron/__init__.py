"""One electron's run, from the executor's options to a result."""
