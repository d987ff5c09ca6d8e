# `covalent deploy up awsbatch` runs this. The resources are those of ../cloudformation.yaml, so
# that there is one definition of them, whichever way they are deployed.

# Covalent runs Terraform with PATH as its only environment variable, so credentials and region
# come from variables.
provider "aws" {
  region  = var.region
  profile = local.named_profile ? var.profile : null

  shared_credentials_files = local.credentials_exist ? [pathexpand(var.credentials)] : null

  # The local AWS knows any credentials and has no metadata service.
  skip_credentials_validation = local.is_local
  skip_metadata_api_check     = local.is_local ? true : null
  skip_requesting_account_id  = local.is_local

  dynamic "endpoints" {
    for_each = local.is_local ? [var.endpoint_url] : []
    content {
      cloudformation = endpoints.value
      ec2            = endpoints.value
      sts            = endpoints.value
    }
  }
}

locals {
  is_local          = var.endpoint_url != ""
  credentials_exist = fileexists(pathexpand(var.credentials))
  # The profile "default" need not exist: an instance's role serves as well.
  named_profile = !contains(["", "default"], var.profile)

  vpc_id     = var.vpc_id != "" ? var.vpc_id : data.aws_vpc.default[0].id
  subnet_ids = var.subnet_ids != "" ? var.subnet_ids : join(",", sort(data.aws_subnets.all[0].ids))
}

data "aws_vpc" "default" {
  count   = var.vpc_id == "" ? 1 : 0
  default = true
}

data "aws_subnets" "all" {
  count = var.subnet_ids == "" ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [local.vpc_id]
  }

  # A subnet without public addresses needs a way that cannot be seen here: name it.
  filter {
    name   = "map-public-ip-on-launch"
    values = ["true"]
  }
}

resource "aws_cloudformation_stack" "awsbatch" {
  # The same name as `covalent-awsbatch deploy` gives it, so that both cannot be deployed.
  name          = "${var.prefix}-awsbatch"
  template_body = file("${path.module}/../cloudformation.yaml")
  capabilities  = ["CAPABILITY_NAMED_IAM"]
  on_failure    = "DELETE"

  parameters = {
    Prefix              = var.prefix
    VpcId               = local.vpc_id
    SubnetIds           = local.subnet_ids
    InstanceTypes       = var.instance_types
    GpuInstanceTypes    = var.gpu_instance_types
    MinvCpus            = var.min_vcpus
    MaxvCpus            = var.max_vcpus
    Spot                = var.spot
    RootVolumeGiB       = var.disk
    ObjectDays          = var.object_days
    LogDays             = var.log_days
    KeepWarmMinutes     = var.keep_warm
    RegionInNames       = var.region_in_names
    PermissionsBoundary = var.permissions_boundary
    KmsKeyArn           = var.kms_key
    InstanceTags        = var.instance_tags
  }
}
