"""What ``deploy`` does: plan, change and remove the stack of cloud resources."""
