"""Releases of the deployed chat: published by one user and activated by another, while its functions run.

Its route `$default` is the component of the e2e tests that has many versions.
"""

import dataclasses

import botocore.exceptions
import pytest
import releases
from permissions import restart
from releases import answers, broken, percent, remainder, version
from waiting import wait_until

# What the chat's own `$default` route says to a number.
DEPLOYED = "the message has no text member `action`"


@pytest.fixture
def clients(app, token, operator):
    """Connects clients; when the test ends, what was deployed runs again."""
    opened = []

    def connect(count=1):
        several = [releases.Client(app.url, token(f"user-{number}")) for number in range(count)]
        opened.extend(several)
        for client in several:
            client.receive(type="welcome")
        return several

    yield connect
    while operator.do("status")["pointer"].keys() & {"active", "canary"}:
        operator.do("rollback")
    for client in opened:
        wait_until(lambda: asks(client) == DEPLOYED)  # noqa: B023
        client.close()


def asks(client):
    """The version that answers, or what the chat's own route says."""
    client.tell("")
    said = client.receive()
    if said.get("kind") != "note":
        assert DEPLOYED in said["message"]
        return DEPLOYED
    reply = client.receive()
    assert (reply["kind"], reply["sequence"], reply["version"]) == ("reply", client.sequence, said["version"])
    client.connection = reply["connection"]
    return reply["version"]


def settle(clients, expected):
    wait_until(lambda: [asks(client) for client in clients] == expected)


def test_a_release_is_activated_and_the_socket_stays(app, ids, operator, clients):
    (client,) = clients()
    settle([client], [DEPLOYED])
    said = operator.refuse("activate", ids[version(1)])
    assert "$default newly asks for send to its own connection" in said
    operator.do("activate", ids[version(1)], "--allow-new-grants", "--reason", "the first")
    settle([client], [version(1)])
    operator.do("activate", ids[version(2)])
    settle([client], [version(2)])
    operator.do("rollback")
    settle([client], [version(1)])
    # A handshake is answered by both functions, each of which has its part of the release.
    (other,) = clients()
    settle([client, other], [version(1), version(1)])
    operator.do("rollback")
    settle([client, other], [DEPLOYED, DEPLOYED])

    newest = operator.do("history")["changes"]
    assert [one["action"] for one in newest[:4]] == ["rollback", "rollback", "activate", "activate"]
    assert newest[3]["why"] == "the first"
    account = app.emulator.client("sts").get_caller_identity()["Account"]
    assert {one["who"] for one in newest} == {f"arn:aws:iam::{account}:user/operator"}
    reports = operator.do("status")["reports"]
    assert reports[ids[version(1)]]["loaded"] >= 2
    assert reports[ids[version(2)]]["loaded"] >= 1 and not reports[ids[version(2)]]["failed"]


def test_a_canary_takes_the_connections_of_the_rule(ids, operator, clients):
    several = clients(6)
    operator.do("activate", ids[version(1)], "--allow-new-grants")
    settle(several, [version(1)] * 6)
    canary = ids[version(2)]
    edges = sorted(remainder(canary, client.connection) for client in several)
    for share in (edges[1] + 1, edges[3] + 1):
        operator.do("canary", canary, "--percent", percent(share))
        taken = [remainder(canary, client.connection) < share for client in several]
        settle(several, [version(2) if is_taken else version(1) for is_taken in taken])
    assert sum(taken) == 4
    wait_until(lambda: operator.do("status")["tally"]["events"] > 0 and answers(several))
    operator.do("promote")
    settle(several, [version(2)] * 6)


def test_failures_in_several_processes_halt_a_canary(app, ids, operator, clients):
    (client,) = clients()
    operator.do("activate", ids[version(1)], "--allow-new-grants")
    operator.do("canary", ids[broken(1)], "--percent", "100", "--error-budget", "3")
    for traps in (2, 4):
        settle([client], [broken(1)])
        client.fail("trap")
        client.fail("trap")
        wait_until(lambda: operator.do("status")["tally"]["traps"] == traps)  # noqa: B023
        # The next process knows of them from the table alone.
        restart(app, "handler")
    settle([client], [version(1)])
    status = operator.do("status")
    assert status["halt"]["release"] == ids[broken(1)]
    assert status["halt"]["reason"] == "4 failures, and its error budget is 3"
    assert "was halted" in operator.refuse("promote")
    assert any("halted" in line and ids[broken(1)] in line for line in app.logs(app.function("handler")).splitlines())


def test_a_release_that_does_not_load_is_reported_and_the_last_good_one_goes_on(app, ids, publisher, operator, clients):
    (client,) = clients()
    operator.do("activate", ids[version(1)], "--allow-new-grants")
    settle([client], [version(1)])
    bad = publisher.create(version(77))
    altered = operator.artifacts(bad) - operator.artifacts(*ids.values())
    s3, bucket = app.emulator.client("s3"), app.outputs["ReleasesBucket"]
    for digest in altered:
        s3.put_object(Bucket=bucket, Key=f"artifacts/{digest}", Body=b"altered")
    operator.do("activate", bad)

    def failure():
        assert asks(client) == version(1)
        return operator.do("status")["reports"].get(bad, {}).get("failure")

    failed = wait_until(failure)
    assert "was altered" in failed["reason"] and failed["host"]
    operator.do("activate", ids[version(2)])
    settle([client], [version(2)])


def test_who_publishes_cannot_activate(app, ids, publisher, operator, clients):
    (client,) = clients()
    before = operator.do("status")["pointer"]
    for move in (["activate", ids[version(1)], "--allow-new-grants"], ["canary", ids[version(1)], "--percent", "5"]):
        said = publisher.refuse(*move)
        assert "user/publisher is not authorized to perform: dynamodb:" in said and "hint: " in said
    # Nor by another way than the command.
    dynamodb, table = publisher.client("dynamodb"), app.outputs["ReleasesTable"]
    item = {"pk": {"S": "pointer"}, "sk": {"S": "current"}, "generation": {"N": "99"}, "document": {"S": "{}"}}
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        dynamodb.put_item(TableName=table, Item=item)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
    assert operator.do("status")["pointer"] == before
    settle([client], [DEPLOYED])


def test_who_activates_cannot_publish(app, key, publisher, operator):
    s3, bucket = app.emulator.client("s3"), app.outputs["ReleasesBucket"]

    def stored():
        return {it["Key"] for it in s3.list_objects_v2(Bucket=bucket)["Contents"]}

    before = stored()
    publisher.build(version(88))
    said = dataclasses.replace(operator, keys=[key]).refuse("create")
    assert "user/operator is not authorized to perform: s3:PutObject" in said and "hint: " in said
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        operator.client("s3").put_object(Bucket=bucket, Key="artifacts/0", Body=b"", IfNoneMatch="*")
    assert stored() == before


def test_another_routing_is_refused_and_its_routes_are_named(publisher, operator):
    path = publisher.folder / "tidegate.toml"
    before = path.read_text()
    path.write_text(before.replace("[routes.echo]", '[routes.fly]\ncomponent = "echo"\n\n[routes.echo]'))
    try:
        flies = publisher.create(version(5))
    finally:
        path.write_text(before)
    said = operator.refuse("activate", flies, "--allow-new-grants")
    assert "routes or their responses (`fly`)" in said and "hint: make deploy" in said


def test_what_nobody_needs_is_pruned(ids, publisher, operator):
    spare = publisher.create(version(99))
    operator.do("activate", ids[version(1)], "--allow-new-grants")
    operator.do("activate", ids[version(2)])
    operator.do("rollback")
    operator.do("rollback")
    stored = {one["id"] for one in operator.do("list")["releases"]}
    assert operator.do("prune")["releases"] == [], "they were all published within the hour"
    pruned = set(operator.do("prune", "--keep", "100", "--min-age", "0s")["releases"])
    assert spare in pruned and not {ids[version(1)], ids[version(2)]} & pruned
    left = {one["id"] for one in operator.do("list")["releases"]}
    assert left == stored - pruned
    assert all(operator.do("show", release)["complete"] for release in left)
    assert publisher.create(version(99)) == spare


def test_a_stage_that_is_not_deployed_is_named(operator):
    elsewhere = dataclasses.replace(operator, place=("--stage", "prod"))
    assert "tidegate-chat-prod" in elsewhere.refuse("status")
