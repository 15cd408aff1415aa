"""The target `kubernetes`: resources of `pulumi_kubernetes`."""
