"""AWS, asynchronously. Nothing in here knows Covalent."""
