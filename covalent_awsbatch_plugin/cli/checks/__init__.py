"""What the doctor checks: one module an area, each from a case to findings."""
