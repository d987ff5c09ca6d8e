# Covalent reads awsbatch.conf after an apply, and sets in its configuration every option of the
# executor: to what is here, or, for an option that is missing here, to the default.

locals {
  outputs = aws_cloudformation_stack.awsbatch.outputs

  options = {
    credentials               = var.credentials
    profile                   = var.profile
    region                    = local.outputs["Region"]
    endpoint_url              = var.endpoint_url
    s3_bucket_name            = local.outputs["S3BucketName"]
    batch_queue               = local.outputs["BatchQueue"]
    batch_job_definition_name = local.outputs["BatchJobDefinitionName"]
    batch_execution_role_name = local.outputs["BatchExecutionRoleName"]
    batch_job_role_name       = local.outputs["BatchJobRoleName"]
    batch_job_log_group_name  = local.outputs["BatchJobLogGroupName"]
    vcpu                      = var.vcpu
    memory                    = var.memory
    num_gpus                  = var.num_gpus
    retry_attempts            = var.retry_attempts
    time_limit                = var.time_limit
    poll_freq                 = var.poll_freq
    cache_dir                 = var.cache_dir
    container_image_uri       = var.container_image_uri
    retry_on                  = var.retry_on
    builtin_nodes_on_batch    = var.builtin_nodes_on_batch
    keep_objects              = var.keep_objects
    share_identifier          = var.share_identifier
    scheduling_priority       = var.scheduling_priority
    misconfiguration_timeout  = var.misconfiguration_timeout
    s3_encryption             = var.s3_encryption
    s3_kms_key_id             = var.s3_kms_key_id
    share_packages            = var.share_packages
  }

  # Percent signs stand for themselves when doubled in such a file.
  lines = [for key, value in local.options : "${key} = ${replace(tostring(value), "%", "%%")}"]
}

# A file of Terraform's own making would need one more provider to be downloaded.
resource "terraform_data" "configuration" {
  triggers_replace = join("\n", concat(["[awsbatch]"], local.lines))

  provisioner "local-exec" {
    command     = "printf '%s\\n' \"$CONTENT\" > awsbatch.conf"
    working_dir = path.module
    environment = { CONTENT = self.triggers_replace }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "rm -f awsbatch.conf"
    working_dir = path.module
  }
}
