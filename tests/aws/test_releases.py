"""Releases of the deployed chat: one user publishes and another activates them, while its functions run.

The route `$default` of the releases has the component with many versions of the end-to-end tests.
"""

import dataclasses

import botocore.exceptions
import errors
import pytest
import releases
from permissions import restart
from releases import broken, percent, remainder, version
from waiting import wait_until

# Error of the chat's own `$default` route for a number.
DEPLOYED = "the message has no text member `action`"


@pytest.fixture
def clients(app, token, operator):
    """Connects clients. After the test, the bundled release runs again."""
    opened = []

    def connect(count=1):
        several = [releases.Client(app.url, token(f"user-{number}")) for number in range(count)]
        opened.extend(several)
        for client in several:
            client.receive(type="welcome")
        return several

    yield connect
    while operator.release("status")["pointer"].keys() & {"active", "canary"}:
        operator.release("rollback")
    for client in opened:
        wait_until(lambda: probe(client) == DEPLOYED)  # noqa: B023
        client.close()


def probe(client):
    """Returns the version that answers, or the error of the chat's own route or of the function."""
    client.send_probe("")
    frame = client.receive()
    if "errorMessage" in frame:
        # MiniStack sends the error of a process that ended itself, for example while the function restarts.
        return frame["errorMessage"]
    if frame.get("kind") != "note":
        assert DEPLOYED in frame["message"]
        return DEPLOYED
    reply = client.receive()
    assert (reply["kind"], reply["sequence"], reply["version"]) == ("reply", client.sequence, frame["version"])
    client.connection = reply["connection"]
    return reply["version"]


def wait_for_versions(clients, expected):
    wait_until(lambda: [probe(client) for client in clients] == expected)


def test_release_is_activated_and_sockets_stay_open(app, ids, operator, clients):
    (client,) = clients()
    wait_for_versions([client], [DEPLOYED])
    wanted = ["$default newly asks for send to its own connection"]
    operator.refuse("grants-widened", "activate", ids[version(1)], names=wanted)
    operator.release("activate", ids[version(1)], "--allow-new-grants", "--reason", "the first")
    wait_for_versions([client], [version(1)])
    operator.release("activate", ids[version(2)])
    wait_for_versions([client], [version(2)])
    operator.release("rollback")
    wait_for_versions([client], [version(1)])
    # A handshake involves both functions, and each has its part of the release.
    (other,) = clients()
    wait_for_versions([client, other], [version(1), version(1)])
    operator.release("rollback")
    wait_for_versions([client, other], [DEPLOYED, DEPLOYED])

    newest = operator.release("history")["changes"]
    assert [one["action"] for one in newest[:4]] == ["rollback", "rollback", "activate", "activate"]
    assert newest[3]["why"] == "the first"
    account = app.emulator.client("sts").get_caller_identity()["Account"]
    assert {one["who"] for one in newest} == {f"arn:aws:iam::{account}:user/operator"}
    reports = operator.release("status")["reports"]
    assert reports[ids[version(1)]]["loaded"] >= 2
    assert reports[ids[version(2)]]["loaded"] >= 1 and not reports[ids[version(2)]]["failed"]


def test_canary_serves_the_connections_of_its_share(ids, operator, clients):
    several = clients(6)
    operator.release("activate", ids[version(1)], "--allow-new-grants")
    wait_for_versions(several, [version(1)] * 6)
    canary = ids[version(2)]
    edges = sorted(remainder(canary, client.connection) for client in several)
    for share in (edges[1] + 1, edges[3] + 1):
        operator.release("canary", canary, "--percent", percent(share))
        taken = [remainder(canary, client.connection) < share for client in several]
        wait_for_versions(several, [version(2) if is_taken else version(1) for is_taken in taken])
    assert sum(taken) == 4
    wait_until(lambda: operator.release("status")["tally"]["events"] > 0 and releases.versions(several))
    operator.release("promote")
    wait_for_versions(several, [version(2)] * 6)


def test_failures_in_several_processes_halt_a_canary(app, ids, operator, clients):
    (client,) = clients()
    operator.release("activate", ids[version(1)], "--allow-new-grants")
    operator.release("canary", ids[broken(1)], "--percent", "100", "--error-budget", "3")
    for traps in (2, 4):
        wait_for_versions([client], [broken(1)])
        client.trigger_failure("trap")
        client.trigger_failure("trap")
        wait_until(lambda: operator.release("status")["tally"]["traps"] == traps)  # noqa: B023
        # The next process reads the count from the table.
        restart(app, "handler")
    wait_for_versions([client], [version(1)])
    status = operator.release("status")
    assert status["halt"]["release"] == ids[broken(1)]
    assert status["halt"]["reason"] == "4 failures, and its error budget is 3"
    operator.refuse("canary-halted", "promote")
    assert any("halted" in line and ids[broken(1)] in line for line in app.logs(app.function("handler")).splitlines())


def test_release_that_does_not_load_is_reported_and_the_old_one_keeps_running(app, ids, publisher, operator, clients):
    (client,) = clients()
    operator.release("activate", ids[version(1)], "--allow-new-grants")
    wait_for_versions([client], [version(1)])
    bad = publisher.create(version(77))
    altered = operator.artifacts(bad) - operator.artifacts(*ids.values())
    s3, bucket = app.emulator.client("s3"), app.outputs["ReleasesBucket"]
    for digest in altered:
        s3.put_object(Bucket=bucket, Key=f"artifacts/{digest}", Body=b"altered")
    operator.release("activate", bad)

    def failure():
        assert probe(client) == version(1)
        return operator.release("status")["reports"].get(bad, {}).get("failure")

    failed = wait_until(failure)
    assert "was altered" in failed["reason"] and failed["host"]
    operator.release("activate", ids[version(2)])
    wait_for_versions([client], [version(2)])


def test_publisher_cannot_activate(app, ids, publisher, operator, clients):
    (client,) = clients()
    before = operator.release("status")["pointer"]
    for move in (["activate", ids[version(1)], "--allow-new-grants"], ["canary", ids[version(1)], "--percent", "5"]):
        wanted = ["user/publisher is not authorized to perform: dynamodb:"]
        publisher.refuse("store-denied", *move, names=wanted, hint="")
    # AWS denies direct calls too.
    dynamodb, table = publisher.client("dynamodb"), app.outputs["ReleasesTable"]
    item = {"pk": {"S": "pointer"}, "sk": {"S": "current"}, "generation": {"N": "99"}, "document": {"S": "{}"}}
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        dynamodb.put_item(TableName=table, Item=item)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
    assert operator.release("status")["pointer"] == before
    wait_for_versions([client], [DEPLOYED])


def test_operator_cannot_publish(app, key, publisher, operator):
    s3, bucket = app.emulator.client("s3"), app.outputs["ReleasesBucket"]

    def stored():
        return {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}

    before = stored()
    publisher.set_version(version(88))
    wanted = ["user/operator is not authorized to perform: s3:PutObject"]
    dataclasses.replace(operator, keys=[key]).refuse("store-denied", "create", names=wanted, hint="")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        operator.client("s3").put_object(Bucket=bucket, Key="artifacts/0", Body=b"", IfNoneMatch="*")
    assert stored() == before


def test_release_with_different_routing_is_refused(publisher, operator):
    path = publisher.folder / "tidegate.toml"
    before = path.read_text()
    path.write_text(before.replace("[routes.echo]", '[routes.fly]\ncomponent = "echo"\n\n[routes.echo]'))
    try:
        flies = publisher.create(version(5))
    finally:
        path.write_text(before)
    operator.refuse("routing-differs", "activate", flies, "--allow-new-grants", names=["`fly`"], hint="make deploy")


def test_unused_releases_are_pruned(ids, publisher, operator):
    spare = publisher.create(version(99))
    operator.release("activate", ids[version(1)], "--allow-new-grants")
    operator.release("activate", ids[version(2)])
    operator.release("rollback")
    operator.release("rollback")
    stored = {one["id"] for one in operator.release("list")["releases"]}
    assert operator.release("prune")["releases"] == [], "every release is less than an hour old"
    pruned = set(operator.release("prune", "--keep", "100", "--min-age", "0s")["releases"])
    assert spare in pruned and not {ids[version(1)], ids[version(2)]} & pruned
    left = {one["id"] for one in operator.release("list")["releases"]}
    assert left == stored - pruned
    assert all(operator.release("show", release)["complete"] for release in left)
    assert publisher.create(version(99)) == spare


def test_stage_that_is_not_deployed_is_refused(operator):
    elsewhere = dataclasses.replace(operator, store_arguments=("--stage", "prod"))
    error = errors.error_of(elsewhere.run_release("status"))
    # The lookup asks for the stack and for its template at once. The operator's policy covers the stack of `dev` only.
    assert error.code in {"aws-access-denied", "aws-stack-not-found"}, error
    assert "`tidegate-chat-prod`" in error.message, error
