"""What AWS's words about a job mean, and the exit codes of its worker."""

from __future__ import annotations

from .. import errors
from ..protocol import exit_codes
from .rule import EXITED, Rule

# The exit code of a container that was ended by SIGKILL: 128 and the signal's number.
SIGKILL = 137

_ROOM = (
    "lower vcpu=, memory= or num_gpus= to what the compute environment's instances have, or raise "
    "its maximum; 'covalent-awsbatch doctor' compares them."
)

# AWS's reason of a job that waits, or the plugin's of such a job that it ended.
_STUCK = r"^(cannot start: )?"

# ---- What AWS decided about the job, whatever its container did

DECIDED = (
    Rule(
        "Time limit",
        errors.TimeLimitExceeded,
        "The limit was {time_limit} seconds.",
        "raise time_limit= above {time_limit}, or make the task faster with vcpu=. The time in "
        "which packages are installed counts.",
        words=r"^Job attempt duration exceeded timeout",
        example=("Job attempt duration exceeded timeout", ""),
    ),
    Rule(
        "The queue's time limit for waiting jobs: no capacity",
        errors.NeverStarted,
        "A time limit of the job queue canceled it, as AWS had no instance of the compute "
        "environment's types to give.",
        "dispatch again later, or let the compute environment use more instance types, more "
        "subnets in other zones, or on-demand instances besides spot.",
        words=r"^Cancell?ed by JobStateTimeLimit action.*CAPACITY",
        example=(
            "Canceled by JobStateTimeLimit action due to reason: "
            "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
            "",
        ),
    ),
    Rule(
        "The queue's time limit for waiting jobs",
        errors.NeverStarted,
        "A time limit of the job queue canceled it while it waited.",
        "'covalent-awsbatch doctor' checks queue and compute environments; " + _ROOM,
        words=r"^Cancell?ed by JobStateTimeLimit action",
        example=(
            "Canceled by JobStateTimeLimit action due to reason: "
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
            "",
        ),
    ),
)

# ---- What happened to the host and the container

HOST_LOST = Rule(
    "Host lost",
    errors.HostLost,
    "Spot capacity was reclaimed, or the instance was scaled in or failed, and no attempt was "
    "left.",
    "raise retry_attempts= (retry_on='infrastructure' spares tasks that raised), or use an "
    "on-demand compute environment.",
    words=r"^Host EC2",
    example=("Host EC2 (instance i-0f2e4d6c8b0a19283) terminated.", ""),
)
OUT_OF_MEMORY = Rule(
    "Out of memory",
    errors.OutOfMemory,
    "It had asked for {memory} GB.{peak}",
    "raise memory= above {memory} GB.",
    words=r"^OutOfMemory",
    example=(EXITED, "OutOfMemoryError: Container killed due to memory usage"),
)

WAITING = (
    Rule(
        "The job can never start: its resources",
        errors.NeverStarted,
        "AWS Batch reports that no instance of the queue has what the job asks for.",
        _ROOM,
        words=rf"{_STUCK}MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
        example=(
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement "
            "(vCPU/memory/GPU) is higher than that can be met by the CE(s) attached to the job "
            "queue.",
            "",
        ),
        status="RUNNABLE",
    ),
    Rule(
        "The job can never start: the maximum of vCPUs",
        errors.NeverStarted,
        "AWS Batch reports that the job asks for more vCPUs than the queue's compute environments "
        "may have.",
        "lower vcpu=, or raise the compute environment's maximum ('covalent-awsbatch deploy "
        "--max-vcpus').",
        words=rf"{_STUCK}MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
        example=(
            "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job "
            "queue cannot meet the CPU requirement of the job.",
            "",
        ),
        status="RUNNABLE",
    ),
    Rule(
        "The job can never start: the role of AWS Batch",
        errors.NeverStarted,
        "AWS Batch reports that its own service role lacks permissions to start instances.",
        "give the compute environment the role AWSServiceRoleForBatch (leave its service role "
        "empty), or correct the policies of the role that it has.",
        words=rf"{_STUCK}MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS",
        example=(
            "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - Batch service role has a permission "
            "issue.",
            "",
        ),
        status="RUNNABLE",
    ),
    Rule(
        "The job can never start: another misconfiguration",
        errors.NeverStarted,
        "AWS Batch reports {code}.",
        "'covalent-awsbatch doctor' checks queue and compute environments; AWS documents these "
        "codes under 'Jobs stuck in a RUNNABLE status'.",
        words=rf"{_STUCK}(?P<code>MISCONFIGURATION:\w+)",
        example=("MISCONFIGURATION:EC2_LAUNCH_TEMPLATE - The launch template is not valid.", ""),
        status="RUNNABLE",
    ),
)

# ---- What the worker's own exit codes mean

WORKER = (
    Rule(
        "Another Python",
        errors.PythonMismatch,
        "The workflow runs Python {python}, and pickled functions do not cross minor versions.",
        "use an image with Python {python}, such as "
        "public.ecr.aws/docker/library/python:{python}-slim (container_image_uri=).",
        exit_codes=(exit_codes.EXIT_PYTHON_MISMATCH,),
    ),
    Rule(
        "The image has no Python",
        errors.ImageFailed,
        "It has no Python.",
        "use one with Python {python}, such as "
        "public.ecr.aws/docker/library/python:{python}-slim (container_image_uri=).",
        exit_codes=(exit_codes.EXIT_NO_PYTHON,),
    ),
    Rule(
        "The job may not use the bucket's KMS key",
        errors.NotPermitted,
        "The bucket is encrypted with a KMS key that the job's role may not use.",
        "let the job's role (batch_job_role_name=) do kms:Decrypt and kms:GenerateDataKey on the "
        "key; the key's own policy must allow it too.",
        log=r"kms:(Decrypt|GenerateDataKey)|KMS\.\w*(AccessDenied|Disabled)",
        exit_codes=(
            exit_codes.EXIT_NO_PERMISSION,
            exit_codes.EXIT_NOT_STORED,
            exit_codes.EXIT_START_FAILED,
        ),
        example_log="covalent-awsbatch: the task could not be read: AccessDenied: User is not "
        "authorized to perform: kms:Decrypt on this resource",
    ),
    Rule(
        "The outcome could not be stored: not permitted",
        errors.OutcomeNotStored,
        "The job's role may not write it to the bucket.",
        "let the job's role (batch_job_role_name=) do s3:PutObject on s3://{bucket}/{prefix}*; "
        "where the bucket's policy requires encryption headers, set s3_encryption=.",
        log=r"AccessDenied|Forbidden",
        exit_codes=(exit_codes.EXIT_NOT_STORED,),
        example_log="covalent-awsbatch: the outcome could not be stored: AccessDenied",
    ),
    Rule(
        "The outcome could not be stored",
        errors.OutcomeNotStored,
        "The end of its log gives the reason.",
        "give the job a way to S3 that lasts until its end, then dispatch again.",
        exit_codes=(exit_codes.EXIT_NOT_STORED,),
        example_log="covalent-awsbatch: the outcome could not be stored: SlowDown",
    ),
    Rule(
        "The job may not use the bucket",
        errors.NotPermitted,
        "The job's role could not read the task from, or write the outcome to, the bucket.",
        "let the job's role (batch_job_role_name=) do s3:GetObject and s3:PutObject on "
        "s3://{bucket}/{prefix}*; where the bucket's policy requires encryption headers, set "
        "s3_encryption=.",
        exit_codes=(exit_codes.EXIT_NO_PERMISSION,),
    ),
    Rule(
        "The container could not get ready",
        errors.WorkerNotStarted,
        "The end of its log gives the reason.",
        "give the job a way to the package index and to S3, or use an image that has everything: "
        "'covalent-awsbatch image' makes one.",
        exit_codes=(exit_codes.EXIT_START_FAILED, exit_codes.EXIT_BAD_TASK),
        example_log="ERROR: No matching distribution found for covalent==0.240.0",
    ),
    Rule(
        "The container was killed",
        errors.TaskKilled,
        "Its container was killed by SIGKILL, which AWS gives no reason for.",
        "look at the log; raise memory= if the task's memory grows until then.",
        # Other words are a reason, of a person or of AWS: they are quoted.
        words=rf"^{EXITED}|\A\s*\Z",
        exit_codes=(SIGKILL,),
    ),
    Rule(
        "The job's command did not run",
        errors.OutcomeMissing,
        "Its container ended without an error, so its command may have been replaced by the "
        "image's.",
        "an image's ENTRYPOINT must let the job's command run; look at the log.",
        words=EXITED,
        exit_codes=(0,),
        status="SUCCEEDED",
    ),
)
