"""What server and job agree on. Standard library only: it travels to the job."""
