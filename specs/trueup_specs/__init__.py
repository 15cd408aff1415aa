"""The language of Trueup: what a team can say in YAML, and when it makes sense."""

API_VERSION = "trueup.dev/v1alpha1"
