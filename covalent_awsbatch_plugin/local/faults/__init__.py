"""What goes wrong on the local AWS on purpose: a plan of faults, and its injection."""

from .plan import ApiFault, FaultPlan, JobFault

__all__ = ["ApiFault", "FaultPlan", "JobFault"]
