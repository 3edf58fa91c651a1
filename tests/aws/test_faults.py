"""Faults between the deployed chat and AWS: what clients see, and what is stored.

The handler's requests to DynamoDB, `@connections` and S3 go through the proxy of `tests/faults`. `make test` injects
each fault once for each kind of request, `make soak` every fault at every operation.
"""

import behind_proxy
import chat
import faults
import proxy as proxies
import pytest
import releases
from behind_proxy import LONG, Member, record
from faults import FAULTS, HALF_ANSWER, LATE, STALLS, THROTTLED
from releases import version
from test_releases import DEPLOYED, probe
from waiting import wait_until
from websockets.exceptions import InvalidStatus

CONNECTIONS = dict.fromkeys(("PostToConnection", "GetConnection"), "`@connections`")
SERVICES = CONNECTIONS | dict.fromkeys(("GetObject", "PutObject", "HeadObject"), "S3")
# A write without an answer takes half of the route's time.
SOON = [fault for fault in FAULTS if fault not in STALLS]
WRITES = FAULTS if LONG else SOON
READS = FAULTS if LONG else [*faults.RESETS[:1], *faults.WRONG_BODIES[:1], HALF_ANSWER, THROTTLED]
POSTS = FAULTS if LONG else SOON[:-1:2]


@pytest.fixture(scope="module")
def proxy(app):
    with proxies.running(app.emulator.port) as running, behind_proxy.redirected(app, running):
        yield running


@pytest.fixture(scope="module")
def room(app, token, proxy):
    with behind_proxy.room(app, token) as opened:
        yield opened


def seen(fault: faults.Fault, operation: str, sender: str, outcome: str) -> None:
    """Records the outcome of a fault."""
    service = SERVICES.get(operation, "DynamoDB")
    record(kind="fault", service=service, operation=operation, sender=sender, fault=fault.name, outcome=outcome)


def ends_well(fault: faults.Fault) -> bool:
    """Returns true if a write with this fault is acknowledged in the end."""
    return (fault.applied and fault is not LATE) or fault is THROTTLED


@pytest.mark.parametrize("fault", WRITES, ids=str)
def test_message_is_stored_once_or_refused(proxy, room, fault):
    ann, text = room.members[0], room.text("put")
    with proxy.injected(fault, "PutItem") as rule:
        error = ann.send(text)
    assert rule.hits == 1
    assert error == (None if ends_well(fault) else "Internal server error")
    if fault is LATE:
        wait_until(lambda: room.stored(text))
    room.settle()
    assert room.stored(text) == (fault.applied or fault in (THROTTLED, LATE))
    assert room.received(text) == [int(error is None)] * 3
    if error:
        wait_until(lambda: "storage is unavailable" in room.app.logs(room.app.function("handler")))
    outcome = "`unavailable`" if error else "acknowledged"
    seen(fault, "PutItem", "by the route `chat`", outcome)


@pytest.mark.parametrize("fault", READS, ids=str)
@pytest.mark.parametrize("operation", ["GetItem", "Query"])
def test_reads_are_repeated(proxy, room, operation, fault):
    ann, text = room.members[0], room.text("read")
    with proxy.injected(fault, operation) as rule:
        assert ann.send(text) is None
    assert rule.hits == 1
    room.settle()
    assert (room.stored(text), room.received(text)) == (1, [1, 1, 1])
    seen(fault, operation, "by the route `chat`", "acknowledged")


@pytest.mark.parametrize("fault", POSTS, ids=str)
def test_post_to_one_member_does_not_affect_others(proxy, room, fault):
    ann, bob, cem = room.members
    text = room.text("post")
    with proxy.injected(fault, "PostToConnection", path=bob.id) as rule:
        assert ann.send(text) is None
        cem.read_until(text)
    assert rule.hits == 1
    if fault is LATE:
        bob.read_until(text)
    room.settle()
    delivered = int(fault.applied or fault is THROTTLED)
    assert (room.stored(text), room.received(text)) == (1, [1, delivered, 1])
    outcome = "delivered once" if delivered else "not delivered, and counted as failed"
    seen(fault, "PostToConnection", "by a broadcast", outcome)


CONNECTING = [
    (operation, fault)
    for operation in ("PutItem", "UpdateItem", "TransactWriteItems", "GetConnection")
    for fault in (FAULTS if LONG else [faults.RESETS[1], *faults.FAILURES[:1]])
]


@pytest.mark.parametrize(("operation", "fault"), CONNECTING, ids=str)
def test_handshake_opens_or_leaves_nothing(app, token, proxy, operation, fault):
    person = chat.unique("dan").replace(" ", "-")
    with proxy.injected(fault, operation) as rule:
        try:
            with chat.Client(app.url, token(person)) as client:
                client.receive(type="welcome")
                assert len(rows := behind_proxy.rows(app, person)) == 1 and rows <= behind_proxy.memberships(app)
            opened = True
        except InvalidStatus:
            opened = False
    assert rule.hits == 1
    # Only the change of an attribute is neither repeated nor confirmed, unless AWS has answered that it is not applied.
    assert opened or (operation == "UpdateItem" and not fault.answered)
    wait_until(lambda: not behind_proxy.rows(app, person))
    outcome = "opened" if opened else "refused; no row is left"
    seen(fault, operation, "by `$connect`", outcome)


LEAVING = [
    (operation, fault)
    for operation in ("DeleteItem", "BatchWriteItem")
    for fault in (FAULTS if LONG else [faults.RESETS[1], *faults.FAILURES[:1]])
]


@pytest.mark.parametrize(("operation", "fault"), LEAVING, ids=str)
def test_registry_heals_with_the_next_broadcast(app, token, proxy, room, operation, fault):
    person = chat.unique("eve").replace(" ", "-")
    eve = Member(app.url, token(person), room.name)
    with proxy.injected(fault, operation) as rule:
        eve.client.close()
        wait_until(lambda: rule.hits)
        wait_until(lambda: not behind_proxy.rows(app, person))
    broadcasts = 0
    while eve.id in {
        item["connection_id"]["S"] for item in app.items("GroupsTable") if room.name in item["group"]["S"]
    }:
        room.settle()
        broadcasts += 1
        assert broadcasts <= 3
    outcome = f"healed after {broadcasts} broadcasts" if broadcasts else "rows removed"
    seen(fault, operation, "by `$disconnect`", outcome)
    if eve.id in behind_proxy.memberships(app):
        # The lobby heals like the room, with a broadcast of its own.
        room.members[0].client.say(chat.unique("anybody?"))
        wait_until(lambda: eve.id not in behind_proxy.memberships(app))


LOADING = [
    (operation, fault)
    for operation in ("GetObject", "GetItem of releases")
    for fault in (FAULTS if LONG else [HALF_ANSWER, *faults.WRONG_BODIES[:1]])
]


@pytest.mark.parametrize(("operation", "fault"), LOADING, ids=str)
def test_release_is_followed_after_a_fault(app, token, proxy, ids, operator, operation, fault):
    with releases.Client(app.url, token("ann")) as client:
        client.receive(type="welcome")
        with proxy.injected(fault, operation) as rule:
            operator.release("activate", ids[version(1)], "--allow-new-grants")
            wait_until(lambda: probe(client) == version(1))
        assert rule.hits == 1
        operator.release("rollback")
        wait_until(lambda: probe(client) == DEPLOYED)
    seen(fault, operation, "by a host", "followed")


MOVING = [
    (operation, fault)
    for operation in ("TransactWriteItems", "GetItem of releases")
    for fault in (FAULTS if LONG else [faults.RESETS[1], *faults.FAILURES[:1]])
]


@pytest.mark.parametrize(("operation", "fault"), MOVING, ids=str)
def test_activation_changes_the_pointer_once(app, proxy, ids, operator, monkeypatch, operation, fault):
    before = operator.release("status")["pointer"].get("generation", 0)
    monkeypatch.setitem(operator.credentials, "AWS_ENDPOINT_URL", proxy.endpoint)
    with proxy.injected(fault, operation) as rule:
        operator.release("activate", ids[version(1)], "--allow-new-grants")
    assert rule.hits == 1
    monkeypatch.undo()
    assert operator.release("status")["pointer"]["generation"] == before + 1
    operator.release("rollback")
    changes = operator.release("history", "--limit", "1000")["changes"]
    assert [one["generation"] for one in changes] == list(range(before + 2, 0, -1))
    seen(fault, operation, "by `release activate`", "moved once")


PUBLISHING = [
    (operation, fault)
    for operation in ("PutObject", "HeadObject")
    for fault in (faults.RESETS[1], HALF_ANSWER, faults.FAILURES[1], THROTTLED, LATE)
]


@pytest.mark.skipif(not LONG, reason="host/aws/tests/releases_objects.rs has the faults of S3")
@pytest.mark.parametrize(("operation", "fault"), PUBLISHING, ids=str)
def test_release_is_published_once(proxy, publisher, operator, monkeypatch, operation, fault):
    number = 500 + PUBLISHING.index((operation, fault))
    monkeypatch.setitem(publisher.credentials, "AWS_ENDPOINT_URL", proxy.endpoint)
    with proxy.injected(fault, operation) as rule:
        release = publisher.create(version(number))
    assert rule.hits == 1
    shown = operator.release("show", release)
    assert shown["complete"] and shown["trusted"], shown["problems"]
    seen(fault, operation, "by `release create`", "published once")
