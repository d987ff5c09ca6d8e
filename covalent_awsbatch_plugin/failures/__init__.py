"""From what is known of a finished job to the error that explains it."""
