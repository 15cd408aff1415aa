"""Trueup: a declarative GitOps engine for machine learning."""

__version__ = "0.1.0"
