"""Equal parts of specs as one object: a step, a schema or a predictor that many documents write alike is checked for its shape once.

Called by `shaping` for each document. Models never change, so a part that stands in many documents may be one; what rules find in it is
then found once, too. A part that is wrong is left as it is: the spec's own check says what is wrong, and where.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from trueup_specs.core.envelope import SpecModel

_MOST = 50_000
"""Parts that are known."""
_WORTH = 3
"""Values of a part from which on looking it up takes less time than checking it."""
_VERSION = 2
"""Of marshal's format: later ones write equal values in more than one way."""
_KNOWN: dict[tuple[type[SpecModel], bytes], SpecModel] = {}


def with_parts(spec: type[SpecModel], value: Mapping[Any, Any]) -> dict[Any, Any]:
    """The value of a spec with models in the place of those of its parts that are worth it."""
    found = dict(value)
    for alias, model, many in _parts(spec):
        given = value.get(alias)
        if many and type(given) is list:
            found[alias] = [_part(model, item) if type(item) is dict else item for item in given]
        elif not many and type(given) is dict:
            found[alias] = _part(model, given)
    return found


@cache
def _parts(spec: type[SpecModel]) -> tuple[tuple[str, type[SpecModel], bool], ...]:
    """The fields of a spec that hold a model (False), or a list of models of one sort (True)."""
    found = []
    for name, info in spec.model_fields.items():
        hints = [h for h in get_args(info.annotation) or (info.annotation,) if h not in (NoneType, ...)]
        many = get_origin(info.annotation) is tuple
        hint = hints[0]
        if len(hints) == 1 and isinstance(hint, type) and issubclass(hint, SpecModel):
            found.append((info.alias or name, hint, many))
    return tuple(found)


def _part(model: type[SpecModel], value: dict[Any, Any]) -> Any:
    if len(value) < _WORTH and not any(type(v) is dict or type(v) is list for v in value.values()):
        return value
    try:
        key = (model, marshal.dumps(value, _VERSION))
    except ValueError:  # nested too deeply
        return value
    found = _KNOWN.get(key)
    if found is None:
        try:
            found = model.model_validate(value, by_alias=True, by_name=False)
        except ValidationError:
            return value
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        _KNOWN[key] = found
    return found
