"""What the ECS agent's words mean about a container that it could not start."""

from __future__ import annotations

from .. import errors
from .rule import NOT_STARTED, Rule

_LOGS_NETWORK = (
    "give the instances' subnets a way to CloudWatch Logs: an internet gateway with public "
    "addresses, a NAT gateway, or the VPC endpoint com.amazonaws.{region}.logs."
)
_REGISTRY_NETWORK = (
    "check the registry's name in container_image_uri=, and give the instances' subnets a way "
    "to it: an internet gateway with public addresses, a NAT gateway, or VPC endpoints for ECR "
    "(ecr.api, ecr.dkr, s3) with an image in ECR."
)
_NO_WAY = (
    r"(i/o timeout|dial tcp|deadline exceeded|connection (refused|reset)|no such host|timed out|"
    r"handshake timeout|Client\.Timeout|awaiting headers)"
)
# What fetches an image, and on some hosts the registry's credentials before.
_PULL = r"(CannotPull|ResourceInitializationError)"

CONTAINER = (
    Rule(
        "A role that ECS cannot assume",
        errors.RoleNotAssumed,
        "The role is {role}.",
        "check that it exists and that its trust policy lets ecs-tasks.amazonaws.com assume it: "
        "batch_execution_role_name= and batch_job_role_name=. AWS Batch accepts job definitions "
        "with roles that do not exist.",
        words=r"^ECS was unable to assume the role '?(?P<role>[^' ]+)",
        example=(
            "ECS was unable to assume the role "
            "'arn:aws:iam::123456789012:role/ecsTaskExecutionRole' that was provided for this "
            "task. Please verify that the role being passed has the proper trust relationship and "
            "permissions and that your IAM user has permissions to pass this role.",
            "",
        ),
    ),
    Rule(
        "The log: its group does not exist",
        errors.LogUnavailable,
        "The log group {log_group} does not exist.",
        "create it, or name another (batch_job_log_group_name=); or let the execution role do "
        "logs:CreateLogGroup.",
        words=r"logging driver.*(log group does not exist|ResourceNotFoundException)",
        example=(
            NOT_STARTED,
            "CannotStartContainerError: Error response from daemon: failed to initialize logging "
            "driver: failed to create Cloudwatch log stream: ResourceNotFoundException: The "
            "specified log group does not exist.",
        ),
    ),
    Rule(
        "The log: not permitted",
        errors.LogUnavailable,
        "The execution role may not write to the log group {log_group}.",
        "let it (batch_execution_role_name=) do logs:CreateLogStream and logs:PutLogEvents there, "
        "and logs:CreateLogGroup where the group is not there yet.",
        words=r"logging driver.*(AccessDenied|not authorized|NoCredentialProviders)",
        example=(
            NOT_STARTED,
            "CannotStartContainerError: Error response from daemon: failed to initialize logging "
            "driver: failed to create Cloudwatch log stream: AccessDeniedException: User: "
            "arn:aws:sts::123456789012:assumed-role/ecsTaskExecutionRole/1 is not authorized to "
            "perform: logs:CreateLogStream",
        ),
    ),
    Rule(
        "The log: CloudWatch is not reached",
        errors.LogUnavailable,
        "The host did not reach CloudWatch Logs.",
        _LOGS_NETWORK,
        words=rf"logging driver.*{_NO_WAY}",
        example=(
            NOT_STARTED,
            "CannotStartContainerError: Error response from daemon: failed to initialize logging "
            "driver: failed to create Cloudwatch log stream: RequestError: send request failed "
            "caused by: Post https://logs.us-east-1.amazonaws.com/: dial tcp: i/o timeout",
        ),
    ),
    Rule(
        "Secrets of the container",
        errors.SecretsUnavailable,
        "ECS could not read a secret or parameter that container_properties= names.",
        "let the execution role (batch_execution_role_name=) do secretsmanager:GetSecretValue, "
        "ssm:GetParameters and, for a key of your own, kms:Decrypt; in a private subnet, add the "
        "endpoints of these services.",
        words=r"ResourceInitializationError.*"
        r"(retrieve secrets? from|\b(asm|ssm|secretsmanager)\b)",
        example=(
            NOT_STARTED,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            "resource retrieval failed: unable to retrieve secret from asm: AccessDeniedException",
        ),
    ),
    Rule(
        "The registry's rate",
        errors.ImageFailed,
        "The registry of {image} refused the pull for its rate.",
        "dispatch again, with retry_attempts= above 1; for many instances at once copy the image "
        "into a repository of your own in ECR ('covalent-awsbatch image'). Public registries "
        "limit pulls without a login, public.ecr.aws to about one a second for each address.",
        words=rf"{_PULL}.*(toomanyrequests|\b429\b|pull rate limit|Rate exceeded)",
        example=(
            NOT_STARTED,
            "CannotPullImageManifestError: Error response from daemon: toomanyrequests: Rate "
            "exceeded",
        ),
    ),
    Rule(
        "The disk of the host is full",
        errors.DiskFull,
        "Images and finished containers take it up.",
        "dispatch again: another host may have room. Raise the size of the disk "
        "('covalent-awsbatch deploy' has RootVolumeGiB), or use a smaller image.",
        words=r"Cannot.*no space left on device",
        example=(
            NOT_STARTED,
            "CannotPullContainerError: failed to register layer: write /usr/lib/libcudart.so: no "
            "space left on device",
        ),
    ),
    Rule(
        "The GPU's driver is too old for the image",
        errors.ImageFailed,
        "The image {image} needs a newer NVIDIA driver than the host has.",
        "use an image with an older CUDA, or hosts with a newer AMI (a compute environment keeps "
        "its AMI until its infrastructure is updated).",
        words=r"nvidia-container-cli.*(cuda\W*[<>=]|update your driver)",
        example=(
            NOT_STARTED,
            "CannotStartContainerError: Error response from daemon: OCI runtime create failed: "
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.6, please "
            "update your driver to a newer version",
        ),
    ),
    Rule(
        "The image is of another architecture",
        errors.ImageFailed,
        "The image {image} does not run on the host's processor.",
        "use an image for the architecture of the compute environment's instances (linux/amd64, "
        "or linux/arm64 for Graviton), or one for both.",
        words=r"exec format error|no matching manifest|does not match the specified platform",
        example=(
            NOT_STARTED,
            "CannotPullContainerError: no matching manifest for linux/amd64 in the manifest list "
            "entries",
        ),
    ),
    Rule(
        "The registry is not reached",
        errors.ImageFailed,
        "The host did not reach the registry of {image}.",
        _REGISTRY_NETWORK,
        words=rf"{_PULL}.*{_NO_WAY}",
        example=(
            NOT_STARTED,
            "CannotPullECRContainerError: Error response from daemon: Get "
            "https://123456789012.dkr.ecr.us-east-1.amazonaws.com/v2/: net/http: request canceled "
            "while waiting for connection: dial tcp: i/o timeout",
        ),
    ),
    Rule(
        "The registry denies the image",
        errors.ImageFailed,
        "The registry denied the pull of {image}, or there is no such image.",
        "check container_image_uri= and its tag. For ECR let the execution role "
        "(batch_execution_role_name=) do ecr:GetAuthorizationToken, ecr:BatchGetImage and "
        "ecr:GetDownloadUrlForLayer; for another private registry name repositoryCredentials in "
        "container_properties=.",
        words=rf"{_PULL}.*"
        r"(denied|not authorized|unauthorized|no basic auth|not found|does not exist|"
        r"(manifest|name) unknown|\b403\b)",
        example=(
            NOT_STARTED,
            "CannotPullContainerAuthError: Error response from daemon: pull access denied for "
            "my-image, repository does not exist or may require 'docker login'",
        ),
    ),
    Rule(
        "The image cannot be pulled",
        errors.ImageFailed,
        "The image is {image}.",
        "check container_image_uri=, that the image exists, that the execution role may pull it, "
        "and that the host has a way to the registry.",
        words=r"CannotPull",
        example=(NOT_STARTED, "CannotPullContainerError: manifest is not valid"),
    ),
    Rule(
        "The image has no shell",
        errors.ImageFailed,
        "The image {image} has no sh, which starts the job's command.",
        "use an image with a shell and Python (container_image_uri=); an ENTRYPOINT must let the "
        "job's command run.",
        words=r"CannotStartContainerError.*\bexec\b.*(executable file not found|no such file)",
        example=(
            NOT_STARTED,
            "CannotStartContainerError: Error response from daemon: failed to create shim task: "
            'OCI runtime create failed: exec: "sh": executable file not found in $PATH',
        ),
    ),
    Rule(
        "The container cannot be created or started",
        errors.ContainerFailed,
        "Docker refused it.",
        "the reason below names the cause, such as a device, volume or user of "
        "container_properties= that does not exist.",
        words=r"CannotStartContainer|CannotCreate(Container|Volume)",
        example=(
            NOT_STARTED,
            "CannotCreateContainerError: Error response from daemon: invalid mount config for "
            "type: bind source path does not exist: /data",
        ),
    ),
    Rule(
        "Docker failed on the host",
        errors.DockerFailed,
        "The host may have been overloaded.",
        "dispatch again; raise retry_attempts= where it happens often.",
        words=r"DockerTimeout|CannotInspectContainer|CannotStopContainer|DockerStateError",
        example=(
            NOT_STARTED,
            "DockerTimeoutError: Could not transition to started; timed out after waiting 4m0s",
        ),
    ),
)
