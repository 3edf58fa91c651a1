"""The roles: every action is needed. The other tests show that the actions suffice."""

import contextlib
import dataclasses

import chat
import pytest
from deployment import Deployment
from permissions import Permission, permissions, without
from releases import broken, version
from waiting import wait_until
from websockets.exceptions import WebSocketException

# Every action of every statement, with the part of the chat that needs it.
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
# Actions that both functions need to follow releases, with their purpose.
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
# MiniStack reports a missing object to every caller; S3 only to callers with this action.
NOT_OBSERVABLE = [Permission(serves, "ReleaseBucket", "s3:ListBucket") for serves in ("authorizer", "handler")]
# Actions of a storage grant that the chat does not use.
UNUSED = [
    Permission("handler", "StorageRead", "dynamodb:BatchGetItem"),
    Permission("handler", "StorageRead", "dynamodb:ConditionCheckItem"),
    Permission("handler", "StorageRead", "dynamodb:GetItem"),
    Permission("handler", "StorageWrite", "dynamodb:DeleteItem"),
]


def test_roles_allow_the_listed_actions_only(app):
    assert sorted(permissions(app)) == sorted(NEEDED + FOLLOWING + NOT_OBSERVABLE + UNUSED)


@pytest.mark.parametrize("permission", NEEDED, ids=str)
def test_removed_action_is_denied(app, token, permission):
    before = denials(app, permission)
    with without(app, permission):
        chat_until_denied(app, token("ann"), permission, before)


@pytest.mark.parametrize("permission", FOLLOWING, ids=str)
def test_removed_release_action_is_denied(app, token, ids, operator, permission):
    before = denials(app, permission)
    operator.release("activate", ids[version(1)], "--allow-new-grants")
    try:
        # Otherwise the other function would halt the canary first.
        other = "authorizer" if permission.serves == "handler" else "handler"
        with without(app, permission), without(app, dataclasses.replace(permission, serves=other)):
            operator.release("canary", ids[broken(1)], "--percent", "100", "--error-budget", "0")
            count_failure(app, operator.release("status")["pointer"]["canary"]["run"])
            chat_until_denied(app, token("ann"), permission, before)
    finally:
        while operator.release("status")["pointer"].keys() & {"active", "canary"}:
            operator.release("rollback")


def count_failure(app: Deployment, run: int) -> None:
    """Counts a failure of a canary like another host would, so that the next failure exceeds the budget."""
    key = {"pk": {"S": "canary"}, "sk": {"S": f"{run:020}"}}
    app.emulator.client("dynamodb").update_item(
        TableName=app.outputs["ReleaseStatusTable"],
        Key=key,
        UpdateExpression="ADD traps :one, events :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def chat_until_denied(app: Deployment, token: str, permission: Permission, before: int) -> None:
    """Repeats a chat session until the action has been denied more often than before."""

    def denied() -> bool:
        with contextlib.suppress(WebSocketException):
            chat_session(app, token)
        return denials(app, permission) > before

    wait_until(denied)


def chat_session(app: Deployment, token: str) -> None:
    """Uses every action of the chat. MiniStack processes one message of a client at a time."""
    room = chat.room("session")
    with chat.Client(app.url, token) as client:
        client.send({"action": "join", "room": room})
        client.send({"action": "chat", "room": room, "text": "hello"})
        client.send({"action": "history", "room": room})
        client.send({"action": "leave", "room": room})


def denials(app: Deployment, permission: Permission) -> int:
    """Counts denials of the action in the function's log, and in MiniStack's for functions that did not start."""
    function = app.function(permission.serves)
    lines = [line for line in app.emulator.log.read_text().splitlines() if app.resources[function] in line]
    denial = f"is not authorized to perform: {permission.action}"
    return sum(text.count(denial) for text in (app.logs(function), *lines))
