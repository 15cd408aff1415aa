"""Prometheus' own tool, which checks rules and tries them on series. Built with Go in some minutes, once; used by tests/unit/stacks."""

from gotools import Module

PROMTOOL = Module(
    "github.com/prometheus/prometheus",
    "v0.305.0",  # Prometheus 3.5
    {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
)
