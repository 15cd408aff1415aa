"""Names of buckets: taken by S3, the same each time, never the same for two documents, and kept over a rename."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from trueup_test_scenes import scene

from trueup_specs.core.references import Key
from trueup_stacks.aws import naming

NAMES = st.from_regex(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(st.lists(NAMES, min_size=4, max_size=4).map("-".join))
def test_a_name_is_one_that_s3_takes(name: str) -> None:
    short = naming.shortened(name)
    assert re.fullmatch(r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]", short)
    assert short == naming.shortened(name)


@given(st.lists(NAMES, min_size=4, max_size=4).map("-".join), NAMES)
def test_names_that_are_cut_stay_apart(name: str, end: str) -> None:
    long = name.ljust(70, "x")
    assert naming.shortened(long) != naming.shortened(f"{long}-{end}")


def test_a_renamed_store_keeps_its_bucket() -> None:
    aws = scene("aws")
    document = aws.documents[Key("ObjectStore", "churn", "plain")]
    metadata = document.metadata.model_copy(update={"name": "new", "moved_from": "churn/plain"})
    renamed = replace(document, key=Key("ObjectStore", "churn", "new"), metadata=metadata)
    assert naming.bucket_name(renamed, aws) == naming.bucket_name(document, aws) == "shop-prod-churn-plain"


def test_tags_of_ownership_cannot_be_taken_over_by_labels() -> None:
    aws = scene("aws")
    document = aws.documents[Key("ObjectStore", "churn", "plain")]
    metadata = document.metadata.model_copy(update={"labels": {"trueup:project": "mine", "tier": "gold"}})
    tags = naming.tags(replace(document, metadata=metadata), aws)
    assert tags["trueup:project"] == "shop" and tags["tier"] == "gold"
