"""What looks like a credential must not stand in a spec (TRU1040). Judged where values are handed to processes and to
file systems; URLs with a password have a rule of DataSource's own.

The detectors are those of detect-secrets; they are imported only for values that could be one, since most files have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from trueup_specs.core.envelope import SpecModel
from trueup_specs.core.rules import Finding
from trueup_specs.kinds.envelope.holders import HolderRule

_SUSPECT_NAME = re.compile(r"pass|pwd|secret|token|key|cred|auth|conn|dsn", re.I)
_SUSPECT_VALUE = re.compile(r"-----BEGIN|[A-Za-z0-9+/_=.-]{16}|://[^/\s]*:[^/\s]*@")
_FIELDS = (("env", "env"), ("storage_options", "storageOptions"))
"""Fields with the texts that processes and connections get."""
_NOTHING: Mapping[str, object] = {}
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


class CredentialInClear(HolderRule):
    """A value that looks like a credential must be given by `secretRef`."""

    code = "TRU1040"
    about = ("env", "storage_options")
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

    def judge(self, part: SpecModel) -> Iterator[Finding]:
        for field, alias in _FIELDS:
            for name, value in getattr(part, field, _NOTHING).items():
                if isinstance(value, str) and (kind := credential(name, value)):
                    yield Finding(
                        (alias, name),
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
