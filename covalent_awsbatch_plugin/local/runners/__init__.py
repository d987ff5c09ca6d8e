"""What runs a job's attempts: processes or containers."""
