"""Serving on one machine: model servers under a kept supervisor, and Envoy in front of them. Driven by `provider/service.py` and
`provider/gateway.py`, and by the `up`, `down`, `status` and `logs` of the command line."""
