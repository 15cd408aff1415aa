"""What entities, feature views and feature services have in common: their repository, checks, adoption and errors. Used by these three."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from trueup import places
from trueup.features.repository import FeatureError, Repository
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Properties

PLACE = ("repo", "project", "store", "name")
STORES = {"offline": ("file", "duckdb"), "online": ("sqlite",)}


def check(inputs: Properties) -> list[Failure]:
    """Errors of what all three have."""
    found = [
        *fields.place(inputs, "repo"),
        *fields.text(inputs, "project", "the name of the Feast project"),
        *fields.text(inputs, "name", "a name"),
    ]
    name = inputs.get("name")
    if isinstance(name, str) and name != UNKNOWN and name.strip() and not name.isidentifier():
        found.append(
            Failure(
                "name",
                f"`name` must be letters, digits and underscores, for Feast and SQL; it is {fields.shown(name)}.",
            )
        )
    for key, known in STORES.items():
        value = fields.at(inputs, f"store.{key}")
        if value != UNKNOWN and value not in known:
            found.append(
                Failure(f"store.{key}", f"`store.{key}` must be {' or '.join(known)}; it is {fields.shown(value)}.")
            )
    if find_spec("feast") is None:
        found.append(Failure("repo", "Features need Feast, which is not installed; install `trueup[local]`."))
    return found


def repository(context: Context, inputs: Properties) -> Repository:
    """The repository that inputs name."""
    try:
        return Repository.of(
            places.resolve(context.home, str(inputs["repo"])), str(inputs["project"]), inputs.get("store")
        )
    except ValueError as error:
        raise ComponentError(f"The place of the feature repository is refused: {error}.") from error


def identity(inputs: Properties) -> str:
    """The id of an object: `repo#project/name`, from which an import finds it."""
    return f"{inputs['repo']}#{inputs['project']}/{inputs['name']}"


def placed(id: str, inputs: Properties) -> Properties:
    """Where an object is: from its inputs, or from its id where there are none (an import)."""
    if inputs.get("name"):
        return {key: inputs[key] for key in PLACE if key in inputs}
    repo, _, rest = id.rpartition("#")
    project, _, name = rest.partition("/")
    if not repo or not name:
        raise ComponentError(
            f"The id {id!r} names no feature object; write `REPO#PROJECT/NAME`, "
            "such as `home:dev/features#shop_dev/churn__customer`."
        )
    return {"repo": repo, "project": project, "store": {"offline": "duckdb", "online": "sqlite"}, "name": name}


def registered(context: Context, kind: str, where: Properties) -> dict[str, Any] | None:
    """The live definition of an object; None where it is gone."""
    with speaking():
        return repository(context, where).definitions()[kind].get(str(where["name"]))


def adopt(context: Context, kind: str, inputs: Properties) -> None:
    """Refuses to create what is there and not ours."""
    found = registered(context, kind, inputs)
    if found is None or found["urn"] == context.urn:
        return
    whose = f"that of {found['urn']}" if found["urn"] else "not ours"
    raise ComponentError(
        f"The feature repository {inputs['repo']} has {inputs['name']} already, and it is {whose}; import it with the id "
        f"{identity(inputs)!r}, or choose another name."
    )


def live(where: Properties, found: Properties, recorded: Properties) -> Properties:
    """Live inputs in the form of the recorded ones: lists that are sets keep their order, absent and empty texts are one."""
    result = {**where, **found}
    for key, value in recorded.items():
        here: Any = result.get(key)
        same_set = (
            isinstance(value, list) and isinstance(here, list) and all(isinstance(v, str) for v in (*value, *here))
        )
        if (same_set and sorted(value) == sorted(here or [])) or (value in (None, "") and here in (None, "")):
            result[key] = value
    return {k: v for k, v in result.items() if k in recorded or v not in (None, "")}


@contextmanager
def speaking() -> Iterator[None]:
    """Errors of features and of Feast as ComponentErrors."""
    try:
        yield
    except FeatureError as error:
        raise ComponentError(str(error)) from error
    except ImportError as error:
        raise ComponentError(
            f"Features need Feast, which cannot be imported ({error}); install `trueup[local]`."
        ) from error
    except OSError as error:
        raise ComponentError(f"The feature repository cannot be used: {error}.") from error
