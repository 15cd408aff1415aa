"""Quality gates: statistics and verdicts. Used by the provider's Gate and by the step `compare`."""
