"""The door to a forge, against a server that goes wrong in each way."""

from __future__ import annotations

import gzip
import http.server
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.forge.http import Door
from trueup.forge.refusals import Refused, message_of
from trueup.forge.values import ForgeError, Unavailable

TOKEN = "ghs_canaryCANARY0123456789canaryCANARY01"
Doors = Callable[..., Door]


class Item(msgspec.Struct):
    id: int
    body: str = ""


# --- what is repeated ---


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_repeated_after_an_error_of_the_server(
    github: Any, door: Doors, naps: list[float], status: int
) -> None:
    github.trouble(status=status, times=3)
    number = github.pull("ana", "a" * 40)
    assert door().get(f"repos/acme/specs/pulls/{number}", msgspec.Raw)
    assert len(naps) == 3
    assert naps[0] < naps[1] < naps[2], "the pauses grow"


def test_a_read_is_repeated_after_a_broken_connection(github: Any, door: Doors) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(drop=True, times=2)
    assert door().get(f"repos/acme/specs/pulls/{number}", msgspec.Raw)
    assert len(github.requests("GET")) == 3


def test_a_read_is_repeated_after_a_slow_answer(github: Any, door: Doors) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(delay=0.6)
    assert door(timeout=0.2).get(f"repos/acme/specs/pulls/{number}", msgspec.Raw)
    assert len(github.requests("GET")) == 2


def test_an_answer_that_drips_is_given_up(github: Any, door: Doors) -> None:
    """Each byte comes in time; the whole would take a minute."""
    number = github.pull("ana", "a" * 40)
    github.trouble(drip=0.1)
    began = time.monotonic()
    assert door(timeout=0.3).get(f"repos/acme/specs/pulls/{number}", msgspec.Raw)
    assert time.monotonic() - began < 8
    assert len(github.requests("GET")) == 2


def test_a_compressed_answer_is_read(github: Any, door: Doors) -> None:
    with listener(200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"login": "ana"}')) as (url, _got):
        there = Door("github", url, TOKEN, "GITHUB_TOKEN")
        assert msgspec.json.decode(there.get("user", msgspec.Raw)) == {"login": "ana"}


@pytest.mark.parametrize("done", [True, False])
def test_a_busy_server_is_asked_whether_a_comment_arrived(
    github: Any, on_github: Callable[..., Any], naps: list[float], done: bool
) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(method="POST", path="comments", status=503, headers={"Retry-After": "9"}, done=done)
    on_github().comment(number, "The plan")
    assert [c["body"] for c in github.comments[number]] == ["The plan"]
    assert (9 in naps) == (not done)


def test_a_forge_that_is_away_is_unavailable(dead_port: int, naps: list[float]) -> None:
    away = Door("gitea", f"http://127.0.0.1:{dead_port}/api/v1", TOKEN, "GITEA_TOKEN", sleep=naps.append)
    with pytest.raises(
        Unavailable, match=r"Gitea at http://127\.0\.0\.1:\d+/api/v1 cannot be reached .* run this again"
    ):
        away.get("user", msgspec.Raw)
    assert len(naps) == 7


def test_a_forge_that_stays_broken_is_unavailable(github: Any, door: Doors) -> None:
    github.trouble(status=502, times=100, body="<html>Bad Gateway</html>")
    with pytest.raises(Unavailable, match=r"GitHub answers 502 to GET user\. Run this again"):
        door().get("user", msgspec.Raw)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_refusal_is_not_repeated(github: Any, door: Doors, naps: list[float], status: int) -> None:
    github.trouble(status=status, body={"message": "No"}, times=5, headers={"X-RateLimit-Remaining": "17"})
    with pytest.raises(Refused) as refused:
        door().get("user", msgspec.Raw)
    assert refused.value.status == status
    assert naps == []
    assert len(github.requests()) == 1


# --- limits of the rate ---


def test_the_primary_limit_is_waited_for(github: Any, door: Doors, naps: list[float]) -> None:
    reset = str(int(time.time()) + 40)
    github.trouble(
        status=403,
        body={"message": "API rate limit exceeded for installation ID 1."},
        headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset},
    )
    github.app("someone[bot]")
    assert door().send("POST", "graphql", {"query": "{viewer{login}}"}, msgspec.Raw)
    assert len(naps) == 1
    assert 38 <= naps[0] <= 42


def test_a_secondary_limit_that_goes_on_is_waited_for_longer_each_time(
    github: Any, door: Doors, naps: list[float]
) -> None:
    body = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
    github.trouble(status=403, body=body, times=2)
    number = github.pull("ana", "a" * 40)
    door().get(f"repos/acme/specs/pulls/{number}", msgspec.Raw)
    assert naps == [60, 120]


def test_a_write_that_was_refused_for_the_rate_is_done_once(github: Any, door: Doors, naps: list[float]) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(method="POST", status=429, headers={"Retry-After": "3"}, times=2)
    made = door().create(f"repos/acme/specs/issues/{number}/comments", {"body": "Hello"}, Item, lambda: None)
    assert [c["id"] for c in github.comments[number]] == [made.id]
    assert naps == [3, 3]


def test_a_limit_that_is_longer_than_the_patience_is_an_error_at_once(
    github: Any, door: Doors, naps: list[float]
) -> None:
    github.trouble(status=429, headers={"Retry-After": "3000"}, times=9)
    with pytest.raises(
        Unavailable, match=r"GitHub limits the rate of the token in GITHUB_TOKEN \(429 to GET user\) until \d\d:"
    ):
        door().get("user", msgspec.Raw)
    assert naps == []


@given(waits=st.lists(st.integers(0, 400), min_size=1, max_size=12), patience=st.integers(1, 600))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_waits_never_sum_to_more_than_the_patience(github: Any, waits: list[int], patience: int) -> None:
    """The law: what was waited is within the patience, and a call that had enough of it succeeds."""
    slept: list[float] = []
    github.app(token=TOKEN)
    maker = Door("github", github.url, TOKEN, "GITHUB_TOKEN", sleep=slept.append, patience=float(patience))
    github._troubles.clear()
    for wait in waits:
        github.trouble(status=429, headers={"Retry-After": str(wait)})
    try:
        maker.send("POST", "graphql", {"query": ""}, msgspec.Raw)
    except Unavailable:
        assert len(waits) >= 8 or sum(waits) > patience - 5
    else:
        assert slept == waits
    assert sum(slept) <= patience


# --- what must not be done twice ---


@pytest.mark.parametrize("end", [{"drop": True}, {"status": 502}, {"delay": 0.6}])
def test_a_comment_that_arrived_though_its_answer_did_not_is_not_written_again(
    github: Any, on_github: Callable[..., Any], end: dict[str, Any]
) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(method="POST", path="comments", done=True, **end)
    made = on_github(timeout=0.3).comment(number, "The plan")
    assert [(str(c["id"]), c["body"]) for c in github.comments[number]] == [(made.id, "The plan")]


@pytest.mark.parametrize("end", [{"drop": True}, {"status": 500}])
def test_a_comment_that_did_not_arrive_is_written_once(
    github: Any, on_github: Callable[..., Any], end: dict[str, Any]
) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(method="POST", path="comments", times=2, **end)
    on_github().comment(number, "The plan")
    assert [c["body"] for c in github.comments[number]] == ["The plan"]


def test_somebody_elses_same_words_are_not_taken_for_ours(github: Any, on_github: Callable[..., Any]) -> None:
    number = github.pull("ana", "a" * 40)
    github.say(number, "mallory", "The plan")
    github.trouble(method="POST", path="comments", drop=True)
    made = on_github().comment(number, "The plan")
    assert made.author == "github-actions[bot]"
    assert len(github.comments[number]) == 2


def test_an_unclear_end_of_another_post_is_an_error(github: Any, door: Doors) -> None:
    github.trouble(method="POST", path="statuses", status=500, done=True)
    with pytest.raises(Unavailable):
        door().do("POST", "repos/acme/specs/statuses/abc", {"state": "success"})
    assert len(github.requests("POST")) == 1


# --- pages ---


@given(total=st.integers(0, 250), size=st.integers(1, 100), links=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_item_of_all_pages_comes_once_and_in_order(
    gitlab: Any, on_gitlab: Callable[..., Any], total: int, size: int, links: bool
) -> None:
    """With a Link header (GitHub, Gitea, GitLab), or with X-Next-Page alone."""
    gitlab.links = links
    number = gitlab.pull("ana", "a" * 40)
    gitlab.notes[number] = [
        {
            "id": n,
            "body": f"Note {n}",
            "author": {"id": 1, "username": "ana"},
            "created_at": "2026-01-01T00:00:00Z",
            "system": False,
        }
        for n in range(total)
    ]
    door = on_gitlab()._door
    path = f"projects/acme%2Fplatform%2Fspecs/merge_requests/{number}/notes"
    found = list(door.pages(path, Item, {"per_page": size, "sort": "asc"}))
    assert [i.id for i in found] == list(range(total))


def test_pages_are_asked_for_only_as_they_are_needed(github: Any, on_github: Callable[..., Any]) -> None:
    number = github.pull("ana", "a" * 40)
    for n in range(250):
        github.say(number, "ana", f"Comment {n}")
    comments = iter(on_github().comments(number))
    assert next(comments).body == "Comment 0"
    assert len(github.requests("GET", "comments")) == 1
    assert len(list(comments)) == 249
    assert len(github.requests("GET", "comments")) == 3


def test_a_forge_that_gives_a_total_only_is_read_to_its_end(github: Any, door: Doors) -> None:
    """As Gitea does for reviews: no Link header."""
    for page in (1, 2, 3):
        items = [{"id": i} for i in range((page - 1) * 2, min(page * 2, 5))]
        github.trouble(status=200, body=items, headers={"X-Total-Count": "5"})
    assert [i.id for i in door().pages("some", Item, {"limit": 2})] == [0, 1, 2, 3, 4]


def test_a_list_that_comes_whole_whatever_page_is_asked_for_comes_once(github: Any, door: Doors) -> None:
    """As Gitea does for comments."""
    github.trouble(status=200, body=[{"id": i} for i in range(120)], headers={"X-Total-Count": "120"}, times=5)
    assert len(list(door().pages("some", Item))) == 120


def test_pages_that_go_round_in_circles_are_an_error(github: Any, door: Doors) -> None:
    github.trouble(
        status=200, body=[{"id": 1}], headers={"Link": '<http://elsewhere.example/x?page=2>; rel="next"'}, times=50
    )
    with pytest.raises(ForgeError, match="gives no end of pages for some"):
        list(door().pages("some", Item))
    assert len(github.requests()) <= 3


# --- where the token goes ---


@contextmanager
def listener(
    status: int = 200, headers: dict[str, str] | None = None, body: bytes = b"[]"
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Another host, which notes what headers it gets."""
    got: list[dict[str, str]] = []

    class Requests(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append({k.lower(): v for k, v in self.headers.items()})
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", got
    finally:
        server.shutdown()
        server.server_close()


def test_a_redirect_to_another_host_gets_nothing(github: Any, door: Doors) -> None:
    with listener() as (url, got):
        github.trouble(status=302, headers={"Location": f"{url}/steal"})
        with pytest.raises(
            ForgeError,
            match=r"redirects to http://127\.0\.0\.1:\d+, where the token is not sent\. Set TRUEUP_FORGE_URL",
        ):
            door().get("user", msgspec.Raw)
        assert got == []


def test_a_next_page_at_another_host_is_asked_for_here(github: Any, door: Doors) -> None:
    with listener() as (url, got):
        github.trouble(status=200, body=[{"id": 1}], headers={"Link": f'<{url}/steal?page=2&per_page=5>; rel="next"'})
        github.trouble(status=200, body=[{"id": 2}])
        assert [i.id for i in door().pages("some", Item)] == [1, 2]
        assert got == []
    assert github.requests()[-1].query == {"page": "2", "per_page": "5"}


def test_a_redirect_on_the_same_host_is_followed(github: Any, door: Doors) -> None:
    number = github.pull("ana", "a" * 40)
    github.trouble(status=301, path="repositories", headers={"Location": f"/repos/acme/specs/pulls/{number}"})
    found = door().get("repositories/17", msgspec.Raw)
    assert msgspec.json.decode(found)["number"] == number


def test_a_write_is_not_turned_into_a_read_by_a_redirect(github: Any, door: Doors) -> None:
    github.trouble(status=301, method="POST", headers={"Location": "/repos/acme/other/issues"})
    with pytest.raises(ForgeError, match=r"the project was renamed or moved\. Set its new name"):
        door().do("POST", "repos/acme/specs/issues", {})
    assert [a.method for a in github.requests()] == ["POST"]


ENDS: list[dict[str, Any]] = [
    {"status": 401, "body": {"message": f"Bad credentials: {TOKEN}"}},
    {"status": 403, "body": {"message": f"Bearer {TOKEN} may not"}},
    {"status": 422, "body": {"message": "No", "errors": [{"field": TOKEN, "code": "x"}]}},
    {"status": 500, "body": f"<pre>{TOKEN}</pre>", "times": 20},
    {"status": 502, "body": {"message": TOKEN}, "times": 20},
    {"status": 200, "body": f"{TOKEN} is not JSON"},
    {"status": 429, "headers": {"Retry-After": "9999"}, "body": {"message": TOKEN}},
    {"status": 302, "headers": {"Location": f"https://{TOKEN}@evil.example/{TOKEN}"}},
    {"status": 307, "headers": {"Location": f"/{TOKEN}"}, "times": 20},
    {"drop": True, "times": 20},
]


@pytest.mark.parametrize("end", ENDS, ids=lambda e: str(e.get("status", "drop")))
def test_the_token_is_in_no_error_log_or_repr(
    github: Any, door: Doors, caplog: pytest.LogCaptureFixture, end: dict[str, Any]
) -> None:
    github.trouble(**end)
    caplog.set_level(logging.DEBUG)
    made = door()
    with pytest.raises(ForgeError) as failed:
        made.get("user", Item)
    told = "".join(traceback.format_exception(failed.value)) + repr(failed.value) + repr(made)
    if "headers" not in end:  # at its lowest level the library logs the headers of answers, which echo the token here
        told += caplog.text
    assert TOKEN not in told
    assert "GITHUB_TOKEN" in repr(made)


@pytest.mark.parametrize("token", ["", "  ", f"{TOKEN}\nX-Evil: 1", f"{TOKEN} {TOKEN}", f"{TOKEN}ü"])
def test_what_is_no_token_is_refused_without_showing_it(github: Any, token: str) -> None:
    with pytest.raises(ForgeError, match="GITHUB_TOKEN") as failed:
        Door("github", github.url, token, "GITHUB_TOKEN")
    assert TOKEN not in str(failed.value)


def test_a_token_may_have_a_line_break_at_its_end(github: Any) -> None:
    github.token("ana", TOKEN)
    assert Door("github", github.url, f"{TOKEN}\n", "GITHUB_TOKEN").get("user", msgspec.Raw)


@pytest.mark.parametrize("address", ["github.com", "ftp://github.com", "https://", "https://ana:secret@github.com"])
def test_what_is_no_address_of_a_forge_is_refused(address: str) -> None:
    with pytest.raises(ForgeError) as failed:
        Door("github", address, TOKEN, "GITHUB_TOKEN")
    assert "secret" not in str(failed.value)


# --- what errors say ---


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (
            {"status": 401, "body": {"message": "Bad credentials"}},
            r"does not accept the token in GITHUB_TOKEN .*Bad credentials Put a valid",
        ),
        (
            {
                "status": 403,
                "body": {"message": "Resource not accessible by integration"},
                "headers": {"X-Accepted-GitHub-Permissions": "pull_requests=write"},
            },
            r"does not let the token in GITHUB_TOKEN do GET user.*not accessible by integration.*permission pull_requests=write",
        ),
        ({"status": 404, "body": {"message": "Not Found"}}, r"finds nothing at GET user.*whether the token has access"),
        ({"status": 409, "body": {"message": "Conflict here"}}, r"conflicts with what is there now.*Conflict here"),
        (
            {
                "status": 422,
                "body": {
                    "message": "Validation Failed",
                    "errors": [{"resource": "Issue", "field": "title", "code": "missing"}],
                },
            },
            r"Validation Failed; Issue title missing",
        ),
        ({"status": 400, "body": {"message": {"note": ["is too long", "is odd"]}}}, r"note is too long; note is odd"),
        ({"status": 400, "body": {"error": "state does not have a valid value"}}, r"state does not have a valid value"),
    ],
)
def test_an_error_says_what_to_do_with_the_forges_own_words(
    github: Any, door: Doors, trouble: dict[str, Any], says: str
) -> None:
    github.trouble(**{"headers": {"X-RateLimit-Remaining": "9"}, **trouble})
    with pytest.raises(ForgeError, match=says):
        door().get("user", msgspec.Raw)


FORMS = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "errors", "error", "x", "code"]), some, max_size=3)
    ),
    max_leaves=8,
)


@given(body=st.binary(max_size=300) | FORMS.map(msgspec.json.encode))
def test_the_forges_words_are_one_short_line_without_control_characters(body: bytes) -> None:
    said = message_of(body)
    assert len(said) <= 400
    assert said == said.strip()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in said)


def test_an_answer_of_something_else_is_recognised(github: Any, door: Doors) -> None:
    github.trouble(status=200, body="<html>Welcome to the wifi of the hotel</html>")
    with pytest.raises(ForgeError, match=r"What answers at http://.* is not GitHub's API"):
        door().get("user", Item)
