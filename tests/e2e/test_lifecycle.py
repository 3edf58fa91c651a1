"""Start and end of the process: signals, a port in use, a locked store, no descriptors left."""

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
def test_signal_drains_and_leaves_no_orphan(serve, token, number):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        # The greeting is sent after the socket opened, so it may follow a reply.
        ann.receive(type="welcome")
        ann.say(chat.unique("before the end"))
        assert running.stop(number) == 0
        with pytest.raises(ConnectionClosed) as closed:
            ann.receive()
        assert closed.value.rcvd.code == 1001
    assert not running.has_orphans()
    with socket.create_server(("127.0.0.1", running.port)):
        pass


def test_standard_output_has_a_command_to_try_the_app(serve):
    running = serve("--memory")
    running.wait_for_output("Bearer ")
    output = "".join(running.lines)
    command = re.search(r'npx wscat -c (\S+) -H "Authorization: Bearer ([\w.-]+)"', output)
    assert command, output
    with chat.Client(*command.groups()) as demo:
        assert demo.receive()["user"] == "demo"


def test_port_in_use_is_refused(serve):
    first = serve("--memory")
    with pytest.raises(NotStarted) as failed:
        serve("--memory", port=first.port)
    failed.value.assert_error("port-in-use", f"127.0.0.1:{first.port}", hint="--port")


def test_data_folder_of_another_process_is_refused(serve, token, tmp_path):
    data = tmp_path / "data"
    first = serve("--data", data)
    with pytest.raises(NotStarted) as failed:
        serve("--data", data)
    failed.value.assert_error("data-locked", data, hint="")
    with chat.Client(first.url, token("ann")) as ann:
        ann.say(chat.unique("unharmed"))


# With `--lambda`, this process has the other ends of the function's sockets too, unlike a deployed API.
@pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=lambda backend: backend.name)
def test_new_connections_are_refused_without_descriptors_and_old_ones_keep_working(serve, token):
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
    assert "sockets-exhausted" in running.errors
