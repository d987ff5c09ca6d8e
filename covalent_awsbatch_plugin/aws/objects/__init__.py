"""Objects in S3: storage, and the clean-up of what is done with."""
