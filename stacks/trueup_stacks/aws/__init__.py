"""The target `aws`: resources of `pulumi_aws`."""
