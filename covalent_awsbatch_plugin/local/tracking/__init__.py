"""Cleans up what this process made if it ends without doing so itself."""
