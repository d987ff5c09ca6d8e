# The defaults equal those of ExecutorInfraDefaults and ExecutorPluginDefaults:
# when a user gives Covalent any option, Covalent passes Terraform only the options given.

# The cloud resources

variable "prefix" {
  type        = string
  default     = "covalent"
  description = "First part of the name of every resource"
}

variable "vpc_id" {
  type        = string
  default     = ""
  description = "VPC of the instances; empty for the region's default VPC"
}

variable "subnet_ids" {
  type        = string
  default     = ""
  description = "Subnets of the instances, separated by commas; empty for all of the VPC"
}

variable "instance_types" {
  type        = string
  default     = "optimal"
  description = "Instance types or families, separated by commas"
}

variable "gpu_instance_types" {
  type        = string
  default     = ""
  description = "Instance types or families with GPUs, separated by commas; empty for none"
}

variable "min_vcpus" {
  type        = number
  default     = 0
  description = "vCPUs kept running"
}

variable "max_vcpus" {
  type        = number
  default     = 256
  description = "vCPUs at most, in each compute environment"
}

variable "spot" {
  type        = bool
  default     = false
  description = "Spot instances first, on-demand ones when there are none"
}

variable "disk" {
  type        = number
  default     = 50
  description = "GiB of an instance's disk"
}

variable "object_days" {
  type        = number
  default     = 30
  description = "Days after which the plugin's objects expire"
}

variable "log_days" {
  type        = number
  default     = 30
  description = "Days for which logs are kept"
}

variable "keep_warm" {
  type        = number
  default     = 0
  description = "Minutes for which an idle instance waits for another job"
}

variable "region_in_names" {
  type        = bool
  default     = false
  description = "Whether the names of roles end with the region; never change it for a stack"
}

variable "permissions_boundary" {
  type        = string
  default     = ""
  description = "ARN of the policy that bounds the roles; empty for none"
}

variable "kms_key" {
  type        = string
  default     = ""
  description = "ARN of the KMS key of bucket and log group; empty for AWS's own"
}

variable "instance_tags" {
  type        = string
  default     = "=,=,=,=,="
  description = "Five tags of instances as key=value, separated by commas; = for none"
}

# The executor's own options, which end up in the Covalent configuration

variable "credentials" {
  type        = string
  default     = "~/.aws/credentials"
  description = "Path of the AWS credentials file"
}

variable "profile" {
  type        = string
  default     = "default"
  description = "AWS profile"
}

variable "region" {
  type        = string
  default     = "us-east-1"
  description = "AWS region"
}

variable "endpoint_url" {
  type        = string
  default     = ""
  description = "URL of the local AWS; empty for AWS itself"
}

variable "vcpu" {
  type        = number
  default     = 2
  description = "vCPUs of a task"
}

variable "memory" {
  type        = number
  default     = 3.75
  description = "Memory of a task in GB"
}

variable "num_gpus" {
  type        = number
  default     = 0
  description = "GPUs of a task"
}

variable "retry_attempts" {
  type        = number
  default     = 3
  description = "Attempts of a job in all"
}

variable "time_limit" {
  type        = number
  default     = 300
  description = "Seconds after which an attempt is ended"
}

variable "poll_freq" {
  type        = number
  default     = 10
  description = "Maximum polling interval in seconds"
}

variable "cache_dir" {
  type        = string
  default     = "/tmp/covalent"
  description = "Folder of the server's temporary files"
}

variable "container_image_uri" {
  type        = string
  default     = ""
  description = "Image of the job; empty for the official slim Python image"
}

variable "retry_on" {
  type        = string
  default     = "any"
  description = "Which failures are attempted again: any, or infrastructure"
}

variable "builtin_nodes_on_batch" {
  type        = bool
  default     = false
  description = "Whether Covalent's built-in nodes run as jobs too"
}

variable "keep_objects" {
  type        = bool
  default     = false
  description = "Whether a task's objects stay in the bucket after it ended"
}

variable "share_identifier" {
  type        = string
  default     = ""
  description = "Share of the jobs in a fair-share queue"
}

variable "scheduling_priority" {
  type        = number
  default     = 0
  description = "Priority of the jobs within their share"
}

variable "misconfiguration_timeout" {
  type        = number
  default     = 600
  description = "Seconds for which AWS Batch may report that no host can ever run a job"
}

variable "s3_encryption" {
  type        = string
  default     = ""
  description = "Server-side encryption that each write to the bucket names"
}

variable "s3_kms_key_id" {
  type        = string
  default     = ""
  description = "KMS key of that encryption"
}

variable "share_packages" {
  type        = string
  default     = "dispatch"
  description = "Among which electrons the packages of a DepsPip are shared: dispatch, bucket or never"
}
