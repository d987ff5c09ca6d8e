"""Every option of the executor, once: its name, type, default, bounds and help.

The constructor, the section ``[executors.awsbatch]`` of Covalent's configuration, the command
line and the reference in the documentation are all made from ``OPTIONS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .bounds import (
    IMAGE,
    LARGEST,
    ROLE_ARN,
    ROLE_NAME,
    Check,
    between,
    bucket,
    choice,
    container_properties,
    environment,
    matches,
    tags,
    text,
)


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: Its name as constructor argument and configuration key.
        kind: Its type: str, int, float, bool or dict.
        default: Its value where neither argument nor configuration gives one.
        help: What it is, with its unit.
        bounds: The values it may have, in words.
        check: Returns what is wrong with a value of the right type, or nothing.
        attribute: The executor's attribute, where it differs from the name.
        documented: Whether it is of the published interface (and so written to new
            configuration files) or new in 1.0.
    """

    name: str
    kind: type
    default: Any
    help: str
    bounds: str = ""
    check: Check = lambda value: None
    attribute: str = ""
    documented: bool = True

    @property
    def attr(self) -> str:
        """The name of the executor's attribute."""
        return self.attribute or self.name


_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_ROLE = f"{ROLE_NAME}|{ROLE_ARN}"
_KMS_KEY = r"|[A-Za-z0-9][\w-]{0,127}|alias/[\w/-]{1,250}|arn:aws[\w-]*:kms:[\w-]+:\d{12}:"
_KMS_KEY += r"(?:key|alias)/[\w/-]{1,250}"
_QUEUE = rf"{_NAME}|arn:aws[\w-]*:batch:[\w-]+:\d{{12}}:job-queue/{_NAME}"

OPTIONS: tuple[Option, ...] = (
    Option(
        "credentials",
        str,
        "~/.aws/credentials",
        "Path of the AWS credentials file. The default leaves the choice to the AWS SDK: keys in "
        "the environment, AWS_SHARED_CREDENTIALS_FILE, SSO, instance or container role.",
        check=text,
        attribute="credentials_file",
    ),
    Option(
        "profile",
        str,
        "default",
        "Name of the AWS profile. The default and an empty text leave the choice to the AWS SDK: "
        "keys in the environment, AWS_PROFILE, the profile 'default', instance or container role.",
        check=text,
    ),
    Option(
        "region",
        str,
        "us-east-1",
        "AWS region of the queue, the bucket and the logs. Where it is not chosen, or empty: "
        "AWS_REGION, AWS_DEFAULT_REGION, the AWS profile's region, else the default.",
        "a region's name, such as eu-west-1",
        matches(r"|[a-z]{2,}(-[a-z]+)+-\d+", "must be a region's name, such as us-east-1"),
    ),
    Option(
        "s3_bucket_name",
        str,
        "covalent-batch-job-resources",
        "Name of the S3 bucket through which tasks and results travel.",
        "3 to 63 characters, as S3 accepts",
        bucket,
    ),
    Option(
        "batch_queue",
        str,
        "covalent-batch-queue",
        "Name or ARN of the Batch job queue.",
        "1 to 128 of letters, digits, - and _; or an ARN",
        matches(_QUEUE, "must be a queue's name (letters, digits, - and _) or ARN"),
    ),
    Option(
        "batch_execution_role_name",
        str,
        "ecsTaskExecutionRole",
        "Name or ARN of the IAM role with which ECS pulls the image and writes the log.",
        "a role's name or ARN",
        matches(_ROLE, "must be a role's name or ARN"),
        attribute="execution_role",
    ),
    Option(
        "batch_job_role_name",
        str,
        "CovalentBatchJobRole",
        "Name or ARN of the IAM role that the task itself has.",
        "a role's name or ARN",
        matches(_ROLE, "must be a role's name or ARN"),
    ),
    Option(
        "batch_job_log_group_name",
        str,
        "covalent-batch-job-logs",
        "Name of the CloudWatch log group of the jobs' output.",
        "1 to 512 of letters, digits, . - _ / #",
        matches(r"(?!aws/)[\w./#-]{1,512}", "must be a log group's name"),
        attribute="log_group_name",
    ),
    Option(
        "vcpu",
        int,
        2,
        "Number of vCPUs of the task.",
        "a whole number, at least 1",
        between(1),
    ),
    Option(
        "memory",
        float,
        3.75,
        "Memory of the task in GB (1 GB is 1024 MiB here, as in release 0.42).",
        "at least 4 MiB (0.00390625)",
        between(4 / 1024, LARGEST // 1024),
    ),
    Option("num_gpus", int, 0, "Number of GPUs of the task.", "at least 0", between(0)),
    Option(
        "retry_attempts",
        int,
        3,
        "How many times in all a job is attempted.",
        "1 to 10 (0 is taken as 1)",
        between(0, 10),
    ),
    Option(
        "time_limit",
        int,
        300,
        "Seconds after which an attempt is ended; it is not attempted again then. Installing "
        "packages counts, waiting in the queue does not.",
        "at least 60",
        between(60),
    ),
    Option(
        "poll_freq",
        float,
        10,
        "Maximum polling interval in seconds. A new job is polled sooner.",
        "at least 0.1",
        between(0.1),
    ),
    Option(
        "cache_dir",
        str,
        "/tmp/covalent",  # noqa: S108 - the documented default; files in it are private
        "Folder of the server's temporary files for large arguments and results.",
        check=text,
    ),
    Option(
        "container_image_uri",
        str,
        "",
        "Image of the job. Any with the workflow's Python minor version serves, without any "
        "package. Empty: the official slim Python image.",
        check=matches(f"|{IMAGE}", "must be an image's name"),
    ),
    Option(
        "batch_job_definition_name",
        str,
        "covalent-batch-jobs",
        "Name of the job definition under which the plugin keeps its revisions.",
        "1 to 128 of letters, digits, - and _",
        matches(_NAME, "must be of letters, digits, - and _, 128 at most"),
    ),
    Option(
        "environment",
        dict,
        {},
        "Environment variables of the task. No secrets: they show in the job definition and in "
        "Covalent's database, which its server serves without a login.",
        "names a shell accepts; not AWS_BATCH*, COVALENT_AWSBATCH_*",
        environment,
        documented=False,
    ),
    Option(
        "tags",
        dict,
        {},
        "Tags of job definitions, jobs and their ECS tasks. Instances have the tags of the "
        "compute environment.",
        "at most 45; keys up to 128, values up to 256 characters",
        tags,
        documented=False,
    ),
    Option(
        "endpoint_url",
        str,
        "",
        "URL of every AWS service, for the local AWS. Empty: AWS itself.",
        "an http or https URL",
        matches(r"|https?://\S+", "must be an http or https URL"),
        documented=False,
    ),
    Option(
        "container_properties",
        dict,
        {},
        "Container properties of the job definition, as Batch names them, merged over the "
        "plugin's: linuxParameters, mountPoints, volumes, ulimits, secrets, user and so on.",
        "not command, vcpus, memory, resourceRequirements",
        container_properties,
        documented=False,
    ),
    Option(
        "retry_on",
        str,
        "any",
        "Which failures are attempted again: 'any', or 'infrastructure' (a lost host, an image "
        "that could not be pulled and the like, but not a task that raised).",
        "'any' or 'infrastructure'",
        choice("any", "infrastructure"),
        documented=False,
    ),
    Option(
        "builtin_nodes_on_batch",
        bool,
        False,
        "Also run Covalent's built-in nodes (lists, indexing, arithmetic, postprocessing) as "
        "Batch jobs instead of on the Covalent server's host.",
        documented=False,
    ),
    Option(
        "keep_objects",
        bool,
        False,
        "Whether a task's objects stay in the bucket after it ended, until its lifecycle rule "
        "removes them.",
        documented=False,
    ),
    Option(
        "share_packages",
        str,
        "dispatch",
        "Among which electrons the packages that a DepsPip installs are shared through the "
        "bucket, if they ask for the same in the same image: those of a 'dispatch', those of all "
        "dispatches that use the 'bucket', or 'never'.",
        "'dispatch', 'bucket' or 'never'",
        choice("dispatch", "bucket", "never"),
        documented=False,
    ),
    Option(
        "share_identifier",
        str,
        "",
        "Share of the jobs in a fair-share queue, which requires one. Empty for other queues, "
        "which refuse one.",
        "up to 255 letters and digits",
        matches(r"[A-Za-z0-9]{0,255}", "must be up to 255 letters and digits"),
        documented=False,
    ),
    Option(
        "scheduling_priority",
        int,
        0,
        "Priority of the jobs within their share of a fair-share queue; higher ones start first.",
        "0 to 9999",
        between(0, 9999),
        documented=False,
    ),
    Option(
        "misconfiguration_timeout",
        float,
        600,
        "Seconds for which AWS Batch may report without interruption that no host can ever run a "
        "job, before the job is ended. It reports so for a while also of jobs that can run, when "
        "a compute environment scales up from zero.",
        "at least 0",
        between(0),
        documented=False,
    ),
    Option(
        "s3_encryption",
        str,
        "",
        "Server-side encryption that each write to the bucket names, for buckets whose policy "
        "requires it. Empty: the bucket's default encryption.",
        "'AES256', 'aws:kms' or 'aws:kms:dsse'",
        choice("", "AES256", "aws:kms", "aws:kms:dsse"),
        documented=False,
    ),
    Option(
        "s3_kms_key_id",
        str,
        "",
        "Id, alias or ARN of the KMS key for s3_encryption='aws:kms'; empty for the account's "
        "own key of S3. The job's role and the Covalent server need kms:GenerateDataKey and "
        "kms:Decrypt on it.",
        "a key's id, alias or ARN",
        matches(_KMS_KEY, "must be a KMS key's id, alias or ARN"),
        documented=False,
    ),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}

# Of Covalent's base classes: accepted, and left to them.
INHERITED = ("log_stdout", "log_stderr", "retries", "remote_cache", "covalent_version")
