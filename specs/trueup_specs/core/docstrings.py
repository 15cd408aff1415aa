"""Whether the models' fields get their documentation, and rules their examples. Read by `envelope` and `rules`; turned off by the commands
that judge and plan.

To find the docstring of a field, pydantic reads the source of each model anew in every process, which is a third of what the language takes
to import. Only what shows documentation (`explain`, `schema`, the generated files) needs it.
"""

from __future__ import annotations

wanted = True
"""Set to False before the first model is imported, or not at all."""
