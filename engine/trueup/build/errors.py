"""What goes wrong in a way that people cause or can mend. Raised by every module of `build`; the workspace gives it its exit code."""

from __future__ import annotations


class BuildError(Exception):
    """The image cannot be built, read or sent; the text is a full sentence that says what to do."""
