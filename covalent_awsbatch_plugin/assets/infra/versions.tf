terraform {
  # terraform_data came with 1.4, which is also the oldest that Covalent accepts.
  required_version = ">= 1.4"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}
