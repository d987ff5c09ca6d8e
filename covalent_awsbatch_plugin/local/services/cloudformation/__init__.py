"""CloudFormation for the local AWS.

moto makes stacks of our template, but neither updates nor deletes all of what is in them, and its
change sets compare templates, not what parameters make of them. So this takes CloudFormation's
place: ``template`` reads and evaluates, ``resources`` makes each type by AWS's own calls,
``stacks`` brings a stack about, and ``actions`` answers requests.
"""

from .actions import install as install

__all__ = ["install"]
