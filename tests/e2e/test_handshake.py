"""Who may connect: each place for a token, and each way to be refused."""

from urllib.parse import quote

import chat
import pytest
import tokens
from websockets.exceptions import InvalidStatus


def status_of_refusal(url, **handshake):
    with pytest.raises(InvalidStatus) as refused, chat.Client(url, **handshake):
        pass
    return refused.value.response.status_code


def bearer(token):
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def test_a_token_in_the_header(chat_server, token):
    with chat.Client(chat_server.url, **bearer(token("ann"))) as client:
        assert client.receive()["user"] == "ann"


def test_a_token_in_the_sub_protocol_pair(chat_server, token):
    with chat.Client(chat_server.url, subprotocols=["bearer", token("ann")]) as client:
        assert client.socket.subprotocol == "bearer"
        assert client.receive()["user"] == "ann"


def test_a_token_in_the_query(chat_server, token):
    with chat.Client(f"{chat_server.url}?token={quote(token('ann'))}") as client:
        assert client.receive()["user"] == "ann"


def test_a_token_made_elsewhere(chat_server, secret):
    with chat.Client(chat_server.url, tokens.make(secret, "zoë")) as client:
        assert client.receive()["user"] == "zoë"


def test_without_a_token_401(chat_server):
    assert status_of_refusal(chat_server.url) == 401


@pytest.mark.parametrize(
    "forge",
    [
        lambda secret: "rubbish",
        lambda secret: tokens.make("another secret"),
        lambda secret: tokens.make(secret, lives=-1),
        lambda secret: tokens.make(secret, algorithm="none"),
        lambda secret: tokens.make(secret, algorithm="none") + tokens.make(secret).rpartition(".")[2],
        lambda secret: tokens.make(secret, user=""),
    ],
    ids=["rubbish", "another secret", "expired", "alg none", "alg none, signed", "no user"],
)
def test_with_a_bad_token_403(chat_server, secret, forge):
    assert status_of_refusal(chat_server.url, **bearer(forge(secret))) == 403


def test_a_stage_that_is_not_there_403(chat_server, token):
    elsewhere = chat_server.url.rpartition("/")[0] + "/nowhere"
    assert status_of_refusal(elsewhere, **bearer(token("ann"))) == 403
