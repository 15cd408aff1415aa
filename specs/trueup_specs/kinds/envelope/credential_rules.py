"""What looks like a credential must not stand in a spec (TRU1040). Judged where values are handed to processes and to
file systems; URLs with a password have a rule of DataSource's own.

The detectors are those of detect-secrets; they are imported only for values that could be one, since most files have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule

_SUSPECT_NAME = re.compile(r"pass|pwd|secret|token|key|cred|auth|conn|dsn", re.I)
_SUSPECT_VALUE = re.compile(r"-----BEGIN|[A-Za-z0-9+/_=.-]{16}|://[^/\s]*:[^/\s]*@")
_DETECTORS = (
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "KeywordDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "StripeDetector",
    "TwilioKeyDetector",
)


class CredentialInClear(Rule):
    """A value that looks like a credential must be given by `secretRef`."""

    code = "TRU1040"
    reason = "Specs are read by everyone who can read the repository, and Git never forgets: the credential would have to be changed."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}]}
        ---
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - name: report
              run: ./report.sh
              env: {DB_PASSWORD: {secretRef: {store: vars, name: DB_PASSWORD}}, DB_HOST: db.example.com}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - name: report
              run: ./report.sh
              env: {DB_HOST: db.example.com, DB_PASSWORD: correct-horse-battery}
        #                                                 ^
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        for path, name, value in _values(document):
            if isinstance(value, str) and (kind := credential(name, value)):
                yield Finding(
                    path,
                    f"The value of {name!r} looks like a credential ({kind}).",
                    fix="Take it out of the file and of Git's history, change it, and name it by `secretRef: {store, name}`.",
                )


def credential(name: str, value: str) -> str:
    """What sort of credential a named value looks like; empty for none."""
    if len(value) < 6 or value.startswith(("${", "/")):
        return ""
    if not _SUSPECT_NAME.search(name) and not _SUSPECT_VALUE.search(value):
        return ""
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import transient_settings

    with transient_settings({"plugins_used": [{"name": n} for n in _DETECTORS]}):
        # One line in the form that the detector of telling names knows.
        found = sorted(s.type for s in scan_line(f'{name}: "{" ".join(value.split())}"'))
    return found[0].lower() if found else ""


def _values(document: Document) -> Iterator[tuple[Path, str, Any]]:
    """The texts that processes and connections get, with their paths and names."""
    spec: Any = document.spec
    predictor = getattr(spec, "predictor", None)
    if predictor is not None:
        yield from _of(("spec", "predictor", "env"), predictor.env)
    for position, step in enumerate(getattr(spec, "steps", ())):
        yield from _of(("spec", "steps", position, "env"), step.env)
    if getattr(spec, "file", None) is not None:
        yield from _of(("spec", "file", "storageOptions"), spec.file.storage_options)


def _of(path: Path, values: Mapping[str, Any]) -> Iterator[tuple[Path, str, Any]]:
    yield from (((*path, name), name, value) for name, value in values.items())
