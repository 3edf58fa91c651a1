"""The roles: what they allow is enough, which every scenario shows, and each action is needed."""

import contextlib
import dataclasses

import chat
import pytest
from deployment import Deployment
from permissions import Permission, permissions, without
from releases import broken, version
from waiting import wait_until
from websockets.exceptions import WebSocketException

# Each action of each statement, with what of the chat needs it.
NEEDED = [
    Permission("authorizer", "Config", "ssm:GetParameters"),  # the secret that tokens are checked with
    Permission("handler", "Callback", "execute-api:ManageConnections"),  # every message
    Permission("handler", "Config", "ssm:GetParameters"),  # the greeting's motto
    Permission("handler", "Connections", "dynamodb:DeleteItem"),  # the end of a connection
    Permission("handler", "Connections", "dynamodb:GetItem"),  # whether a speaker is a member
    Permission("handler", "Connections", "dynamodb:PutItem"),  # the beginning of a connection
    Permission("handler", "Connections", "dynamodb:UpdateItem"),  # joining the lobby
    Permission("handler", "Groups", "dynamodb:BatchWriteItem"),  # a connection's memberships at its end
    Permission("handler", "Groups", "dynamodb:DeleteItem"),  # leaving a room
    Permission("handler", "Groups", "dynamodb:PutItem"),  # entering a room
    Permission("handler", "Groups", "dynamodb:Query"),  # whom a message is for
    Permission("handler", "StorageRead", "dynamodb:Query"),  # the history
    Permission("handler", "StorageWrite", "dynamodb:PutItem"),  # a message
]
# What both functions need to follow releases, with what of it does.
FOLLOWING = [
    Permission(serves, sid, action)
    for serves in ("authorizer", "handler")
    for sid, action in (
        ("ReleaseObjects", "s3:GetObject"),  # loading one
        ("ReleasePointer", "dynamodb:GetItem"),  # which release runs
        ("ReleaseStatus", "dynamodb:GetItem"),  # whether its canary was halted
        ("ReleaseStatus", "dynamodb:PutItem"),  # halting it
        ("ReleaseStatus", "dynamodb:UpdateItem"),  # counting what it did
    )
]
# MiniStack says of a missing object that it is missing to whoever asks; S3 only to who may list the bucket.
UNNOTICED = [Permission(serves, "ReleaseBucket", "s3:ListBucket") for serves in ("authorizer", "handler")]
# What a grant of storage allows and the chat happens not to do.
UNUSED = [
    Permission("handler", "StorageRead", "dynamodb:BatchGetItem"),
    Permission("handler", "StorageRead", "dynamodb:ConditionCheckItem"),
    Permission("handler", "StorageRead", "dynamodb:GetItem"),
    Permission("handler", "StorageWrite", "dynamodb:DeleteItem"),
]


def test_every_action_is_accounted_for(app):
    assert sorted(permissions(app)) == sorted(NEEDED + FOLLOWING + UNNOTICED + UNUSED)


@pytest.mark.parametrize("permission", NEEDED, ids=str)
def test_an_action_that_is_taken_away_is_missed(app, token, permission):
    before = misses(app, permission)
    with without(app, permission):
        live_until_missed(app, token("ann"), permission, before)


@pytest.mark.parametrize("permission", FOLLOWING, ids=str)
def test_an_action_on_releases_that_is_taken_away_is_missed(app, token, ids, operator, permission):
    before = misses(app, permission)
    operator.do("activate", ids[version(1)], "--allow-new-grants")
    try:
        # The other function would halt it first.
        other = "authorizer" if permission.serves == "handler" else "handler"
        with without(app, permission), without(app, dataclasses.replace(permission, serves=other)):
            operator.do("canary", ids[broken(1)], "--percent", "100", "--error-budget", "0")
            spend(app, operator.do("status")["pointer"]["canary"]["run"])
            live_until_missed(app, token("ann"), permission, before)
    finally:
        while operator.do("status")["pointer"].keys() & {"active", "canary"}:
            operator.do("rollback")


def spend(app: Deployment, run: int) -> None:
    """Counts a failure of a canary, as another host would: whoever counts next finds its budget spent."""
    key = {"pk": {"S": "canary"}, "sk": {"S": f"{run:020}"}}
    app.emulator.client("dynamodb").update_item(
        TableName=app.outputs["ReleaseStatusTable"],
        Key=key,
        UpdateExpression="ADD traps :one, events :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def live_until_missed(app: Deployment, token: str, permission: Permission, before: int) -> None:
    """Lives in the chat, if need be again and again, until the action was refused more often than before."""

    def missed() -> bool:
        with contextlib.suppress(WebSocketException):
            live(app, token)
        return misses(app, permission) > before

    wait_until(missed)


def live(app: Deployment, token: str) -> None:
    """A life in the chat: everything that a client can do. MiniStack takes one message of a client at a time."""
    room = chat.room("life")
    with chat.Client(app.url, token) as client:
        client.send({"action": "join", "room": room})
        client.send({"action": "chat", "room": room, "text": "hello"})
        client.send({"action": "history", "room": room})
        client.send({"action": "leave", "room": room})


def misses(app: Deployment, permission: Permission) -> int:
    """How often the action was refused, as the function's log tells or MiniStack's where it never started."""
    function = app.function(permission.serves)
    lines = [line for line in app.emulator.log.read_text().splitlines() if app.resources[function] in line]
    said = f"is not authorized to perform: {permission.action}"
    return sum(text.count(said) for text in (app.logs(function), *lines))
