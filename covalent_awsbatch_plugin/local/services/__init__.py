"""AWS's services apart from Batch's jobs: moto, and patches of what it lacks."""
