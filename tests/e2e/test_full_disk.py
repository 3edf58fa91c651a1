"""A full disk refuses clients at once, and the server recovers when there is room again."""

import resource

import chat
import pytest
import server
from websockets.exceptions import InvalidStatus


# The database is in this process whatever the backend.
@pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=["in-process"])
def test_full_disk_refuses_clients_without_repeating_the_write(serve, token, tmp_path):
    running = serve("--data", tmp_path / "data")
    open_ended = resource.RLIM_INFINITY
    # A file-size limit makes each write to the database fail, as a full disk does.
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4_096, open_ended))
    # A handshake that lasts longer than the time of its route ends with a timeout of the client.
    for _ in range(3):
        with pytest.raises(InvalidStatus) as refused, chat.Client(running.url, token("ann")):
            pass
        assert refused.value.response.status_code == 500
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (open_ended, open_ended))
    with chat.Client(running.url, token("ann")) as ann:
        ann.enter(chat.room("again"))
    running.stop()
    assert running.errors.count("PutItem") == 3, running.errors
    assert "database-failed" in running.errors
