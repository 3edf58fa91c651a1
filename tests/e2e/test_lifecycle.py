"""How the process starts and ends: signals, a taken port, a locked store, no descriptors left."""

import re
import resource
import signal
import socket

import chat
import pytest
import server
from server import NotStarted
from websockets.exceptions import ConnectionClosed, InvalidHandshake

DESCRIPTORS = 96


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_drains_and_leaves_no_orphan(serve, token, number):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        # A greeting that waits for its socket may come after an answer.
        ann.receive(type="welcome")
        ann.say(chat.unique("before the end"))
        assert running.stop(number) == 0
        with pytest.raises(ConnectionClosed) as closed:
            ann.receive()
        assert closed.value.rcvd.code == 1001
    assert not running.has_orphans()
    with socket.create_server(("127.0.0.1", running.port)):
        pass


def test_standard_output_says_how_to_try_it(serve):
    running = serve("--memory")
    running.wait_for_output("Bearer ")
    said = "".join(running.lines)
    command = re.search(r'npx wscat -c (\S+) -H "Authorization: Bearer ([\w.-]+)"', said)
    assert command, said
    with chat.Client(*command.groups()) as demo:
        assert demo.receive()["user"] == "demo"


def test_a_port_in_use_is_named(serve):
    first = serve("--memory")
    with pytest.raises(NotStarted) as failed:
        serve("--memory", port=first.port)
    assert failed.value.status != 0
    assert f"127.0.0.1:{first.port}" in failed.value.errors
    assert "in use" in failed.value.errors
    assert "--port" in failed.value.errors


def test_a_store_that_another_process_has_open_is_named(serve, token, tmp_path):
    data = tmp_path / "data"
    first = serve("--data", data)
    with pytest.raises(NotStarted) as failed:
        serve("--data", data)
    assert failed.value.status != 0
    assert str(data) in failed.value.errors
    assert "hint:" in failed.value.errors
    with chat.Client(first.url, token("ann")) as ann:
        ann.say(chat.unique("unharmed"))


# With `--lambda` what the function's processes connect to are sockets of this process too, which no deployed API shares.
@pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=lambda backend: backend.name)
def test_out_of_descriptors_new_connections_are_refused_and_old_ones_chat_on(serve, token):
    running = serve("--memory", limits={resource.RLIMIT_NOFILE: DESCRIPTORS})
    allowed = token("bob")
    with chat.Client(running.url, token("ann")) as ann:
        crowd = []
        try:
            with pytest.raises((OSError, EOFError, InvalidHandshake, ConnectionClosed)):
                for _ in range(DESCRIPTORS):
                    crowd.append(chat.Client(running.url, allowed))
            assert len(crowd) > DESCRIPTORS // 4
            assert running.process.poll() is None
            ann.say(chat.unique("the old ones chat on"))
        finally:
            for client in crowd:
                client.close()
        ann.say(chat.unique("and when there is room again"))
        with chat.Client(running.url, allowed) as bob:
            bob.say(chat.unique("new ones are let in"))
    assert "descriptors" in running.errors
