"""What users set: the table of options, their bounds, and where a value comes from."""
