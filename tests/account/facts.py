"""What only an account can show: what the plugin relies on, and documentation alone supports.

The page ``docs/contributing.md`` lists these facts; ``python -m tests.account`` measures them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """A fact of AWS.

    Attributes:
        key: Its name in the report.
        text: What is expected of AWS.
        needs: What the walk measures it with, where it does not always: an option of it.
    """

    key: str
    text: str
    needs: str = ""


FACTS = (
    Fact("quotas", "A new account's quotas of vCPUs are far below the 256 of `--max-vcpus`."),
    Fact(
        "early validation",
        "A change set with names that are taken fails early; DescribeEvents has the words for "
        "each kind of name.",
    ),
    Fact("first job", "The first job waits some minutes for an instance, the next one seconds."),
    Fact(
        "reasons while scaling up",
        "A job may show a MISCONFIGURATION reason for a while, though it can run, while the "
        "compute environment starts its first instance.",
    ),
    Fact("agent", "ECS's agent sets AWS_REGION for tasks from version 1.104 on."),
    Fact("variables", "A job gets no AWS_DEFAULT_REGION from ECS."),
    Fact(
        "ecs.config",
        "The launch template's user data reaches `/etc/ecs/ecs.config` next to what AWS Batch "
        "adds.",
    ),
    Fact("disk", "Ended containers leave the host's disk five minutes after their end."),
    Fact("log", "The last line of a job is in CloudWatch Logs seconds after the job's end."),
    Fact("cancelled", "A job that is terminated ends within seconds (SIGTERM reaches the task)."),
    Fact("instance tags", "`deploy --tag` reaches instances and their disks."),
    Fact("machine image", "The compute environment's image status is known after its first use."),
    Fact(
        "keep warm",
        "With `--keep-warm` an idle instance stays, and the next electron starts in seconds.",
    ),
    Fact("idle instance", "Without `--keep-warm` AWS Batch ends an idle instance soon."),
    Fact(
        "update",
        "A stack that an earlier release made is updated in place: its compute environment, "
        "queue and roles stay the same ones.",
    ),
    Fact("GPUs", "Jobs in the GPU queue find the GPU without further settings.", "--gpu"),
    Fact(
        "KMS key",
        "A bucket with a KMS key works for job and server with the template's permissions.",
        "--kms-key",
    ),
)

# What no run shows, or none that is quick and cheap.
NOT_MEASURED = (
    "Tags of instances and disks show in the bill a day later, once they are activated there.",
    "The public ECR registry allows about one pull a second to those without a login.",
    "A job that fits no instance leaves the queue after ten minutes.",
    "Spot instances that AWS takes back, and hosts that are lost.",
)
