# Everything a user or CI needs. `make demo` shows the whole loop, `make test` proves it.
.PHONY: demo demo-kubernetes cluster test check bench soak schemas capabilities cli environment
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# Without bytecode every process that a test starts compiles its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

demo: environment   ## Validate, plan and apply the quickstart, predict, and show the ledger.
	$(BIN)/trueup demo

demo-kubernetes: cli   ## examples/churn trained here and served on a cluster that is started for it; pods run nothing there.
	cd tests && ../$(BIN)/python -m cluster.demo

cluster: environment   ## A Kubernetes control plane to try things on: prints its KUBECONFIG, Ctrl-C stops it.
	cd tests && ../$(BIN)/python -m cluster

test: check cli   ## Lint, types, contracts, generated files, and every test.
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not soak and not bench"

check: environment   ## Lint, types, import contracts, generated schemas and documentation.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m trueup_specs.core.schemas --check
	$(BIN)/python -m trueup_specs.core.documentation --check
	$(BIN)/python -m trueup_stacks.matrix --check

schemas: environment   ## Write schemas/ and the kinds' READMEs anew.
	$(BIN)/python -m trueup_specs.core.schemas
	$(BIN)/python -m trueup_specs.core.documentation
	$(BIN)/python -m trueup_stacks.matrix

bench: environment   ## Measure the numbers of the design; run it on an idle machine.
	$(BIN)/python -m pytest tests/bench -m "bench" -s -p no:cacheprovider

soak: environment   ## The long counts, and what takes minutes to build: controllers of Argo, KEDA, KubeRay, KServe and Velero on the test cluster, Prometheus' own tool.
	TRUEUP_SOAK=1 $(BIN)/pytest tests/unit/apply/test_kills.py tests/acceptance/test_kills.py tests/acceptance/test_kubernetes_rollouts.py \
	  tests/acceptance/test_kubernetes_controllers.py tests/unit/run/test_conformance.py tests/unit/stacks/test_monitoring_rules.py

cli: environment   ## The Pulumi CLI: found, installed, or built with Go in some minutes, once.
	@$(BIN)/trueup doctor --install

capabilities: environment   ## List what tests prove, and prove each by taking the named function away.
	$(BIN)/python tests/capabilities.py

environment: $(VENV)/.synced

$(VENV)/.synced: uv.lock pyproject.toml
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv sync --quiet --all-extras --frozen
	@touch $@
