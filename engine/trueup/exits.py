"""The exit codes of commands, and what each says: scripts and jobs tell one end from another by them (README.md)."""

OK, FAILURE, CHANGES, NOTHING_SELECTED, INVALID, STALE, LOCKED, DENIED, HELD, WAITING, PARTLY = range(11)
UNTOLD, NO_TOKEN, UNREACHED, UNPUSHED = range(11, 15)
"""Of jobs: done, but the forge would not take the news; no token for the forge; the forge or its Git does not answer; done, but the ledger
could not be pushed."""
USAGE = 64
INTERRUPTED = 130
