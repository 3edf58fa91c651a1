"""The `@connections` endpoint, called with boto3."""

import json
import os
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import botocore.auth
import chat
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed


@contextmanager
def client_with(environment, **replaced):
    """Creates a client from what `tidegate env` prints."""
    settings = {
        "endpoint_url": environment["API_GATEWAY_URL"],
        "region_name": environment["AWS_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }
    client = boto3.client(
        "apigatewaymanagementapi", config=Config(retries={"total_max_attempts": 1}), **(settings | replaced)
    )
    with closing(client):
        yield client


@pytest.fixture
def environment(chat_server, aws_environment):
    return aws_environment(chat_server)


@pytest.fixture
def management(environment):
    with client_with(environment) as client:
        yield client


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


@pytest.mark.parametrize(
    ("replaced", "name"),
    [
        ({"aws_secret_access_key": "a guess"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIDEXAMPLE"}, "UnrecognizedClientException"),
        ({"aws_session_token": "a token"}, "UnrecognizedClientException"),
        ({"region_name": "eu-central-1"}, "InvalidSignatureException"),
    ],
    ids=["secret key", "key id", "token", "region"],
)
def test_other_credentials_are_refused_and_do_nothing(join, environment, management, replaced, name):
    ann = join("ann")
    connection = ann.receive(type="welcome")["connection"]
    with client_with(environment, **replaced) as other:
        with refused(403, name):
            other.post_to_connection(ConnectionId=connection, Data=b'{"type":"forged"}')
        with refused(403, name):
            other.get_connection(ConnectionId=connection)
        with refused(403, name):
            other.delete_connection(ConnectionId=connection)
    management.post_to_connection(ConnectionId=connection, Data=b'{"type":"signed"}')
    # `receive` would skip a forged message.
    assert json.loads(ann.socket.recv(timeout=chat.TIMEOUT)) == {"type": "signed"}


@pytest.mark.parametrize("minutes", [-6, 6], ids=["old", "early"])
def test_signatures_of_another_time_are_refused(join, environment, minutes):
    connection = join("ann").receive(type="welcome")["connection"]
    with client_with(environment) as client:
        def shift(request, **_):
            # The signer replaces only its own headers, so the time is moved and the request is signed again.
            moved = datetime.now(UTC) + timedelta(minutes=minutes)
            signed = AWSRequest(request.method, request.url, data=request.body)
            signer = SigV4Auth(client._request_signer._credentials, "execute-api", environment["AWS_REGION"])
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(botocore.auth, "get_current_datetime", lambda *_: moved.replace(tzinfo=None))
                signer.add_auth(signed)
            for name, value in signed.headers.items():
                request.headers[name] = value

        client.meta.events.register("before-send.apigatewaymanagementapi", shift)
        with refused(403, "InvalidSignatureException"):
            client.post_to_connection(ConnectionId=connection, Data=b"late")


def test_clients_need_only_the_printed_environment(join, environment):
    connection = join("ann").receive(type="welcome")["connection"]
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patched.delenv(name)
        for name, value in environment.items():
            patched.setenv(name, value)
        with closing(boto3.session.Session().client("apigatewaymanagementapi")) as client:
            assert client.get_connection(ConnectionId=connection)["Identity"]["SourceIp"] == "127.0.0.1"
