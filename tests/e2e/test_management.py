"""The `@connections` endpoint, called with boto3."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import chat
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed


@pytest.fixture
def management(chat_server):
    client = boto3.client(
        "apigatewaymanagementapi", endpoint_url=chat_server.endpoint, region_name="eu-central-1",
        aws_access_key_id="local", aws_secret_access_key="local", config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


@contextmanager
def refused(status, name):
    with pytest.raises(ClientError) as raised:
        yield
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert raised.value.response["Error"]["Code"] == name


def test_post_reaches_the_client(join, management):
    ann = join("ann")
    connection = ann.receive(type="welcome")["connection"]
    management.post_to_connection(ConnectionId=connection, Data=json.dumps({"type": "posted", "text": "ü"}).encode())
    assert ann.receive(type="posted")["text"] == "ü"


def test_binary_data_arrives_as_a_binary_message(join, management):
    ann = join("ann")
    connection = ann.receive(type="welcome")["connection"]
    management.post_to_connection(ConnectionId=connection, Data=b"\xff\x00")
    assert ann.socket.recv(timeout=chat.TIMEOUT) == b"\xff\x00"


def test_get_describes_the_connection(join, management):
    ann = join("ann")
    connection = ann.receive(type="welcome")["connection"]
    description = management.get_connection(ConnectionId=connection)
    assert description["Identity"]["SourceIp"] == "127.0.0.1"
    assert "websockets" in description["Identity"]["UserAgent"]
    assert description["ConnectedAt"] <= description["LastActiveAt"]
    assert abs(datetime.now(UTC) - description["ConnectedAt"]) < timedelta(hours=1)


def test_delete_closes_the_socket_and_the_connection_is_gone(join, management):
    ann = join("ann")
    connection = ann.receive(type="welcome")["connection"]
    management.delete_connection(ConnectionId=connection)
    with pytest.raises(ConnectionClosed):
        while True:
            ann.receive()
    for call in (management.get_connection, management.delete_connection):
        with refused(410, "GoneException"):
            call(ConnectionId=connection)
    with refused(410, "GoneException"):
        management.post_to_connection(ConnectionId=connection, Data=b"too late")


def test_closed_connection_is_gone(join, management):
    ann, bob, room = join("ann"), join("bob"), chat.room("gone")
    connection = ann.receive(type="welcome")["connection"]
    ann.enter(room)
    bob.enter(room)
    ann.close()
    # `$disconnect` announces it to the room, and runs after the connection is gone.
    bob.receive(type="left", room=room)
    with refused(410, "GoneException"):
        management.post_to_connection(ConnectionId=connection, Data=b"anyone?")


def test_post_above_128_kib_is_refused_and_the_connection_stays(join, management):
    ann = join("ann")
    connection = ann.receive(type="welcome")["connection"]
    with refused(413, "PayloadTooLargeException"):
        management.post_to_connection(ConnectionId=connection, Data=b"x" * (128 * 1024 + 1))
    management.post_to_connection(ConnectionId=connection, Data=b'"' + b"x" * (128 * 1024 - 2) + b'"')
    assert len(ann.socket.recv(timeout=chat.TIMEOUT)) == 128 * 1024
