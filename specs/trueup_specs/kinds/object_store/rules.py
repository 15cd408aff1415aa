"""Rules of `kind: ObjectStore` (TRU1280 to TRU1309)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, repeated
from trueup_specs.kinds.object_store.spec import LifecycleRule, ObjectStoreSpec

_COLDER = ("STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
"""Storage classes from warm to cold: objects only move down (Amazon S3 User Guide, lifecycle transitions)."""
_LEAST = {"STANDARD_IA": 30}
"""Days that S3 asks for before a class."""
_ADDRESS = re.compile(r"^\d+\.\d+\.\d+\.\d+$")
_GOOD = """
    kind: ObjectStore
    metadata: {name: lake}
    spec:
      bucket: shop-lake
      encryption: {algorithm: "aws:kms", key: alias/lake}
      lifecycle:
        - {name: age, transitions: [{days: 30, storageClass: STANDARD_IA}, {days: 90, storageClass: GLACIER}], expireDays: 365}
    """


class KeyMissing(SpecRule[ObjectStoreSpec]):
    """`encryption.algorithm: aws:kms` needs the `key`, and only it."""

    code = "TRU1280"
    reason = "Without it the account's shared key would be used, which no policy of yours governs."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {encryption: {algorithm: "aws:kms"}}
        #                              ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        encryption = spec.encryption
        if encryption.algorithm == "aws:kms" and not encryption.key:
            yield Finding(
                ("spec", "encryption", "algorithm"),
                "The encryption `aws:kms` does not say its key.",
                fix="Add `key:` with the key's ARN, id or `alias/NAME`.",
            )
        if encryption.algorithm == "AES256" and encryption.key is not None:
            yield Finding(
                ("spec", "encryption", "key"),
                "The encryption AES256 has no key of yours.",
                at_key=True,
                fix="Write `algorithm: aws:kms`, or remove `key`.",
            )


class LifecycleTwice(SpecRule[ObjectStoreSpec]):
    """Each lifecycle rule must have a name of its own."""

    code = "TRU1281"
    reason = "Overlays and the cloud tell rules apart by their names."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {lifecycle: [{name: age, expireDays: 9}, {name: age, prefix: raw/, expireDays: 7}]}
        #                                                     ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(rule.name for rule in spec.lifecycle):
            yield Finding(
                ("spec", "lifecycle", position, "name"),
                f"Two lifecycle rules are called {name!r}.",
                fix="Rename one of them.",
            )


class LifecycleNothing(SpecRule[ObjectStoreSpec]):
    """A lifecycle rule must do something."""

    code = "TRU1282"
    reason = "S3 refuses a rule without an action when the plan is applied."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {lifecycle: [{name: age, prefix: raw/}]}
        #                         ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.lifecycle):
            if not _acts(rule):
                yield Finding(
                    ("spec", "lifecycle", position, "name"),
                    f"The lifecycle rule {rule.name!r} does nothing.",
                    fix="Add `expireDays`, `noncurrentExpireDays`, `abortIncompleteUploadsDays` or `transitions`.",
                )


def _acts(rule: LifecycleRule) -> bool:
    days = (rule.expire_days, rule.noncurrent_expire_days, rule.abort_incomplete_uploads_days)
    return bool(rule.transitions) or any(d is not None for d in days)


class TransitionOrder(SpecRule[ObjectStoreSpec]):
    """Transitions must go to colder classes as days go by."""

    code = "TRU1283"
    reason = "Objects never move back to a warmer class, so S3 refuses the rule."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec:
          lifecycle:
            - name: age
              transitions: [{days: 30, storageClass: GLACIER}, {days: 90, storageClass: STANDARD_IA}]
        #                                                                               ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.lifecycle):
            for number in range(1, len(rule.transitions)):
                before, after = rule.transitions[number - 1], rule.transitions[number]
                place = ("spec", "lifecycle", position, "transitions", number)
                if after.days <= before.days:
                    yield Finding(
                        (*place, "days"),
                        f"The transition after {after.days} days stands behind that after {before.days}.",
                        fix="Order the transitions by days, each later than the one before.",
                    )
                elif _COLDER.index(after.storage_class) <= _COLDER.index(before.storage_class):
                    yield Finding(
                        (*place, "storageClass"),
                        f"{after.storage_class} is not colder than {before.storage_class}, where the objects are by then.",
                        fix=f"From warm to cold the classes are {', '.join(_COLDER)}.",
                    )


class ExpiredBeforeMoved(SpecRule[ObjectStoreSpec]):
    """Objects must not expire before they are moved."""

    code = "TRU1284"
    reason = "The transition would never happen, and S3 refuses the rule."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {lifecycle: [{name: age, expireDays: 30, transitions: [{days: 30, storageClass: GLACIER}]}]}
        #                                          ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.lifecycle):
            last = max((t.days for t in rule.transitions), default=None)
            if last is not None and rule.expire_days is not None and rule.expire_days <= last:
                yield Finding(
                    ("spec", "lifecycle", position, "expireDays"),
                    f"Objects expire after {rule.expire_days} days, but are moved after {last}.",
                    fix="Let them expire later, or move them earlier.",
                )


class TransitionTooEarly(SpecRule[ObjectStoreSpec]):
    """Objects move to STANDARD_IA after 30 days at the earliest."""

    code = "TRU1285"
    reason = "S3 refuses earlier transitions to this class."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {lifecycle: [{name: age, transitions: [{days: 7, storageClass: STANDARD_IA}]}]}
        #                                                   ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.lifecycle):
            for number, transition in enumerate(rule.transitions):
                least = _LEAST.get(transition.storage_class, 0)
                if transition.days < least:
                    yield Finding(
                        ("spec", "lifecycle", position, "transitions", number, "days"),
                        f"Objects cannot move to {transition.storage_class} after {transition.days} days.",
                        fix=f"Write at least {least} days.",
                    )


class NoncurrentUnversioned(SpecRule[ObjectStoreSpec]):
    """`noncurrentExpireDays` belongs to a bucket with versions."""

    code = "TRU1286"
    severity = Severity.WARNING
    reason = "Without versioning there are no former versions that could expire."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {versioning: false, lifecycle: [{name: age, noncurrentExpireDays: 30}]}
        #                                                 ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, rule in enumerate(spec.lifecycle):
            if rule.noncurrent_expire_days is not None and not spec.versioning:
                yield Finding(
                    ("spec", "lifecycle", position, "noncurrentExpireDays"),
                    "The bucket keeps no versions, so none of them expires.",
                    at_key=True,
                    fix="Remove `noncurrentExpireDays`, or `versioning: false`.",
                )


class BucketName(SpecRule[ObjectStoreSpec]):
    """`bucket` must be a name that S3 takes."""

    code = "TRU1287"
    reason = (
        "S3 refuses names that look like addresses, have dots beside dots or hyphens, or begin with a reserved word."
    )
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {bucket: shop..lake}
        #              ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        bucket = spec.bucket or ""
        odd = any(pair in bucket for pair in ("..", ".-", "-."))
        if bucket and (odd or _ADDRESS.match(bucket) or bucket.startswith(("xn--", "sthree-"))):
            yield Finding(
                ("spec", "bucket"),
                f"{bucket!r} is no name of a bucket.",
                fix="Use lower-case words with hyphens between them, such as `shop-lake`.",
            )


def _buckets(index: Index) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for store in index.of_kind("ObjectStore"):
        assert isinstance(store.spec, ObjectStoreSpec)
        if store.spec.bucket is not None:
            found.setdefault(store.spec.bucket, []).append(store.key)
    return found


class BucketTwice(SpecRule[ObjectStoreSpec]):
    """Two stores must not have the same bucket."""

    code = "TRU1288"
    reason = "Bucket names are unique in a whole cloud, and two documents cannot both own one."
    good = _GOOD
    bad = """
        kind: ObjectStore
        metadata: {name: lake}
        spec: {bucket: shop-lake}
        #              ^
        ---
        kind: ObjectStore
        metadata: {name: pond}
        spec: {bucket: shop-lake}
        #              ^
        """

    def find(self, spec: ObjectStoreSpec, document: Document, index: Index) -> Iterator[Finding]:
        for other in derived(index, _buckets).get(spec.bucket or "", ()):
            found = index.get(other)
            if other != document.key and found is not None and _together(document, found):
                yield Finding(
                    ("spec", "bucket"),
                    f"{document.key} and {other} both have the bucket {spec.bucket!r}.",
                    fix="Give one of them another bucket.",
                    related=((other, ("spec", "bucket"), "The other one."),),
                )
                break


def _together(one: Document, other: Document) -> bool:
    """Whether both exist in some environment."""
    here, there = one.metadata.environments, other.metadata.environments
    return here is None or there is None or bool(set(here) & set(there))


RULES: tuple[type[Rule], ...] = (
    KeyMissing,
    LifecycleTwice,
    LifecycleNothing,
    TransitionOrder,
    ExpiredBeforeMoved,
    TransitionTooEarly,
    NoncurrentUnversioned,
    BucketName,
    BucketTwice,
)
