"""Handshakes: each place for a token, and each refusal."""

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


def test_token_in_the_header_is_accepted(chat_server, token):
    with chat.Client(chat_server.url, **bearer(token("ann"))) as client:
        assert client.receive()["user"] == "ann"


def test_token_in_the_sub_protocol_pair_is_accepted(chat_server, token):
    with chat.Client(chat_server.url, subprotocols=["bearer", token("ann")]) as client:
        assert client.socket.subprotocol == "bearer"
        assert client.receive()["user"] == "ann"


def test_token_in_the_query_is_accepted(chat_server, token):
    with chat.Client(f"{chat_server.url}?token={quote(token('ann'))}") as client:
        assert client.receive()["user"] == "ann"


def test_token_made_elsewhere_is_accepted(chat_server, secret):
    with chat.Client(chat_server.url, tokens.make(secret, "zoë")) as client:
        assert client.receive()["user"] == "zoë"


def test_missing_token_is_refused_with_401(chat_server):
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
def test_bad_token_is_refused_with_403(chat_server, secret, forge):
    assert status_of_refusal(chat_server.url, **bearer(forge(secret))) == 403


def test_unknown_stage_is_refused_with_403(chat_server, token):
    elsewhere = chat_server.url.rpartition("/")[0] + "/nowhere"
    assert status_of_refusal(elsewhere, **bearer(token("ann"))) == 403
