"""What the codes mean that no rule carries: of reading, shape, compile and plan. Shown by `trueup explain CODE`."""

from __future__ import annotations

from collections.abc import Mapping

OTHERS: Mapping[str, tuple[str, str]] = {
    "TRU0001": ("A spec must be UTF-8 text.", "Other encodings read differently on other machines."),
    "TRU0002": (
        "A spec file must not be larger than 512 KiB.",
        "Larger files are data, or a mistake, and would slow every reader down.",
    ),
    "TRU0003": ("A spec must be YAML.", "What cannot be read cannot be planned."),
    "TRU0004": ("A key must stand once in a mapping.", "Readers disagree on which of two counts; people see only one."),
    "TRU0005": (
        "Values must not be nested more than 64 deep.",
        "No spec needs it, and readers can be brought down by it.",
    ),
    "TRU0006": (
        "A file must not hold too many documents or values.",
        "A few lines of aliases can unfold to billions of values.",
    ),
    "TRU0007": (
        "A spec must not use YAML tags.",
        "Tags can make other readers build objects; specs hold plain values.",
    ),
    "TRU0008": ("A key must be text.", "`yes: 1` or `1: x` reads differently in other tools; quote the key."),
    "TRU0009": (
        "A number must be one that can be read exactly.",
        "What overflows would be another value than was written.",
    ),
    "TRU0010": ("Control characters are not allowed.", "They cannot be seen in a review."),
    "TRU0020": (
        "Head and base must merge without a conflict.",
        "A plan is of what the base branch would hold after the merge.",
    ),
    "TRU0021": (
        "A spec must be a file of this repository, no symbolic link.",
        "A link may lead out of the repository.",
    ),
    "TRU0101": (
        "A document must have the apiVersion trueup.dev/v1alpha1.",
        "Another file here is, as a rule, a mistake; exclude what is no spec.",
    ),
    "TRU0102": ("A kind must be one of the language.", "A misspelt kind would be silently ignored."),
    "TRU0103": ("A field must be one that the kind has.", "A misspelt field would be silently ignored."),
    "TRU0104": ("A required field must be there.", "Without it the document means nothing."),
    "TRU0105": ("A value must have the type and range of its field.", "Nothing is converted silently."),
    "TRU0106": ("A document must be defined once.", "Two of one name cannot both hold."),
    "TRU0107": ("Environment, Team, Policy and Workspace have no namespace.", "They hold for the whole workspace."),
    "TRU0108": ("A document must be a mapping.", "It needs apiVersion, kind, metadata and spec."),
    "TRU0110": ("A reference must name a document that is there.", "It would fail when it is applied."),
    "TRU0111": ("An overlay must fit the document that it changes.", "The patched document is judged like any other."),
    "TRU2001": ("An environment's target must be one that this version compiles for.", "Nothing could be planned."),
    "TRU2002": ("A field that the target does not honour must not be set.", "It would be silently ignored."),
    "TRU2003": (
        "An endpoint waits until a version of its model is promoted.",
        "It is not an error: the next promotion makes it.",
    ),
    "TRU2004": ("A kind must be one that the target has.", "Limit the document with metadata.environments."),
    "TRU2005": ("Stacks must not depend on each other in a circle.", "None of them could be applied first."),
    "TRU2006": ("A document must have what its target needs.", "Nothing could be made of it as it stands."),
    "TRU2007": (
        "Some documents become nothing in an environment: they are used in another, or its target has nothing that they could become.",
        "It is not an error: they may stay.",
    ),
    "TRU2008": (
        "A version goes on to the next environment by itself once it has soaked.",
        "It is not an error: `promotion.soak` says how long it must have served before.",
    ),
    "TRU2009": (
        "A data source with a cursor must answer before an apply.",
        "Nobody knows then whether it has new data; what was loaded stays.",
    ),
    "TRU2015": (
        "A cluster must have the kinds and classes that the objects of a document need.",
        "The apply would fail half-way; what the cluster had is known from when it was looked at last.",
    ),
    "TRU2016": (
        "A cluster that is away is skipped, where its `whenUnreachable` says so.",
        "What is meant for it is neither looked at nor applied until it answers again.",
    ),
    "TRU2017": (
        "An endpoint with an order of failover stands on the first of its clusters that answers.",
        "While the first is away, another answers its requests; with `failback: manual` it stays there when the first is back.",
    ),
    "TRU2101": ("A column that a model uses must stay.", "The model in use was trained on it, and callers send it."),
    "TRU2102": ("What is protected is not deleted or replaced.", "Take the protection away in an apply of its own."),
    "TRU2103": (
        "A cluster that holds something must be named by its environment.",
        "Nobody could say where what is to be deleted is; another cluster of the same kubeconfig may be meant.",
    ),
}
"""Message and reason by code."""
