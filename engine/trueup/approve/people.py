"""Who someone is: a login on a forge, addresses in commits, a member of teams. Pure; called by `coverage`, `reviews` and `access`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trueup_specs.kinds.team.spec import TeamSpec

_NO_REPLY = re.compile(r"^(?:\d+[+-])?(?P<login>[^@+]+)@(?:[\w.-]*\.)?noreply\.[\w.-]+$")
"""The addresses that forges write into commits in place of the real one: `123+ada@users.noreply.github.com`, `ada@noreply.…`."""


@dataclass(frozen=True, slots=True)
class Person:
    """A member of teams, under one login."""

    user: str
    addresses: frozenset[str]
    """In lower case; empty where no team knows one."""
    teams: frozenset[str]

    def wrote(self, authors: Iterable[str]) -> bool:
        """Whether one of the authors' addresses is theirs, or one that a forge made from their login."""
        return any(a in self.addresses or login_in(a) == self.user.lower() for a in map(str.lower, authors))


def login_in(address: str) -> str:
    """The login, in lower case, of an address that a forge made; empty for any other."""
    found = _NO_REPLY.match(address.lower())
    return found["login"] if found else ""


def person(teams: Mapping[str, TeamSpec], user: str) -> Person | None:
    """Who has a login (forges do not tell capitals apart); None where no team has them."""
    return people(teams).get(user.lower())


def people(teams: Mapping[str, TeamSpec]) -> dict[str, Person]:
    """Everyone of the teams, by login in lower case."""
    found: dict[str, Person] = {}
    for name, team in sorted(teams.items()):
        for member in team.members:
            login = member.user.lower()
            known = found.get(login, Person(member.user, frozenset(), frozenset()))
            address = {member.email.lower()} if member.email else set()
            found[login] = Person(known.user, known.addresses | address, known.teams | {name})
    return found


def by_address(teams: Mapping[str, TeamSpec], address: str) -> Person | None:
    """Whose address it is; None where it is no member's."""
    found = people(teams)
    wanted = address.lower()
    return next((p for p in found.values() if wanted in p.addresses), None) or found.get(login_in(wanted))
