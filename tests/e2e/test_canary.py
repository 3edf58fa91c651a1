"""A canary serves a stable share of the connections, and failures above its error budget halt it on every host."""

import time

import pytest
import server
from releases import UNCHANGED, VersionedApp, broken, percent, remainder, version, versions
from waiting import wait_until

ONE, TWO = version(1), version(2)
BROKEN = broken(1)
CLIENTS, ROUNDS = 10, 20


@pytest.fixture
def running(app, ids, follow):
    """A host that follows the releases, with an active one."""
    app.release("activate", ids[ONE])
    return follow()


def wait_for_versions(clients, expected):
    """Waits until each client is answered by its expected version."""
    wait_until(lambda: versions(clients) == expected(clients))


def stale_processes(running, clients):
    """Returns how many events may still run on the old release: one in each process that was idle since the change.

    Sends events until every process that receives one has read the pointer again.
    """
    processes = len(running.bootstraps())
    end = time.monotonic() + server.MAX_STALENESS
    while processes and time.monotonic() < end:
        versions(clients)
    return processes


def assert_versions(running, clients, expected):
    """Asserts that each client is answered by its expected version for many events."""
    stale = stale_processes(running, clients)
    unexpected = 0
    for _ in range(ROUNDS):
        unexpected += sum(found != wanted for found, wanted in zip(versions(clients), expected(clients), strict=True))
    assert unexpected <= stale


def canary_versions(release, hundredths, canary, stable):
    """Returns a function from clients to their expected versions, while a canary has a share."""
    return lambda clients: [
        canary if remainder(release, client.connection) < hundredths else stable for client in clients
    ]


def all_on(text):
    return lambda clients: [text] * len(clients)


def canary_shares(release, clients):
    """Returns shares that move a few clients, more, and all of them to the canary."""
    found = sorted(remainder(release, client.connection) for client in clients)
    return [found[2] + 1, found[6] + 1, 10_000]


def test_canary_serves_the_connections_of_its_share_and_keeps_them(app, ids, running, clients):
    several = clients(running, CLIENTS)
    wait_for_versions(several, all_on(ONE))
    before = 0
    for share in canary_shares(ids[TWO], several):
        app.release("canary", ids[TWO], "--percent", percent(share))
        expected = canary_versions(ids[TWO], share, TWO, ONE)
        on_canary = expected(several).count(TWO)
        assert on_canary > before
        wait_for_versions(several, expected)
        assert_versions(running, several, expected)
        before = on_canary
    assert before == CLIENTS
    # A lower share gives back the connections that moved last.
    lowered = canary_shares(ids[TWO], several)[0]
    app.release("canary", ids[TWO], "--percent", percent(lowered))
    wait_for_versions(several, canary_versions(ids[TWO], lowered, TWO, ONE))
    app.release("rollback")
    wait_for_versions(several, all_on(ONE))
    assert_versions(running, several, all_on(ONE))


def test_larger_share_moves_connections_to_the_canary_only(app, ids, running, clients):
    several = clients(running, CLIENTS)
    wait_for_versions(several, all_on(ONE))
    few, more, _ = canary_shares(ids[TWO], several)
    app.release("canary", ids[TWO], "--percent", percent(few))
    wait_for_versions(several, canary_versions(ids[TWO], few, TWO, ONE))
    on_canary = [client for client, text in zip(several, versions(several), strict=True) if text == TWO]
    others = [client for client in several if client not in on_canary]
    stale = stale_processes(running, several)
    moved_back = 0
    app.release("canary", ids[TWO], "--percent", percent(more))

    def moved():
        nonlocal moved_back
        moved_back += versions(on_canary).count(ONE)
        return versions(others) == canary_versions(ids[TWO], more, TWO, ONE)(others)

    wait_until(moved)
    assert moved_back <= stale


def test_promote_moves_all_connections(app, ids, running, clients):
    several = clients(running, CLIENTS)
    wait_for_versions(several, all_on(ONE))
    share = canary_shares(ids[TWO], several)[0]
    app.release("canary", ids[TWO], "--percent", percent(share))
    wait_for_versions(several, canary_versions(ids[TWO], share, TWO, ONE))
    app.release("promote")
    assert app.active() == ids[TWO]
    wait_for_versions(several, all_on(TWO))
    assert_versions(running, several, all_on(TWO))


def test_canary_runs_beside_the_bundled_release(app, ids, follow, clients):
    running = follow()
    several = clients(running, CLIENTS)
    wait_for_versions(several, all_on(UNCHANGED))
    share = canary_shares(ids[TWO], several)[1]
    app.release("canary", ids[TWO], "--percent", percent(share))
    wait_for_versions(several, canary_versions(ids[TWO], share, TWO, UNCHANGED))
    app.release("rollback")
    wait_for_versions(several, all_on(UNCHANGED))


# The number of connections from which on rates are compared, and of failed ones after the hostile one.
CONNECTIONS, FAILED = 20, 2


def start_canary(app: VersionedApp, ids, budget, *arguments):
    """Starts a canary for every connection, with the version that fails on request."""
    app.release("canary", ids[BROKEN], "--percent", "100", "--error-budget", str(budget), *arguments)


def test_failures_above_the_budget_halt_the_canary(app, ids, running, clients):
    several = clients(running, 3)
    start_canary(app, ids, 4)
    wait_for_versions(several, all_on(BROKEN))
    # Failures of every kind, up to the budget. A guest's own refusal does not count as a failure.
    assert "refuse" in several[0].trigger_failure("refuse")
    assert several[0].trigger_failure("trap") == "Internal server error"
    assert several[1].trigger_failure("spin") == "Internal server error"
    # The text of a guest's own failure stays in the log.
    assert several[2].trigger_failure("fail") == "Internal server error"
    several[0].trigger_failure("trap")
    wait_until(lambda: failures(app) == (2, 1, 1))
    wait_for_versions(several, all_on(BROKEN))
    assert app.release("status")["halt"] is None
    # One failure above the budget.
    assert several[1].trigger_failure("trap") == "Internal server error"
    wait_for_versions(several, all_on(ONE))
    assert_versions(running, several, all_on(ONE))

    status = app.release("status")
    halt = status["halt"]
    assert (halt["release"], halt["reason"]) == (ids[BROKEN], "5 failures, and its error budget is 4")
    assert status["tally"]["events"] >= status["tally"]["traps"] == 3
    assert status["pointer"]["active"] == ids[ONE]
    assert "halted" in app.run("release", "status", "--app", app.folder).stdout
    wait_until(lambda: any("halted" in line and ids[BROKEN] in line for line in running.errors.splitlines()))


def test_one_client_cannot_halt_a_canary_with_an_error_rate(app, ids, running, clients):
    (hostile,) = clients(running)
    app.release("canary", ids[BROKEN], "--percent", "100")
    wait_for_versions([hostile], all_on(BROKEN))
    # A connection counts once, whatever it sends and whichever process it reaches.
    for _ in range(2 * CONNECTIONS):
        hostile.trigger_failure("trap")
    wait_until(lambda: failures(app)[0] == 2 * CONNECTIONS)
    assert app.release("status")["halt"] is None
    wait_for_versions([hostile], all_on(BROKEN))
    # No connection is on the active release, so its rate counts as 0.
    several = clients(running, CONNECTIONS)
    wait_for_versions(several, all_on(BROKEN))
    for client in several[:FAILED]:
        client.trigger_failure("trap")
    wait_until(lambda: app.release("status")["halt"] is not None)
    assert "failed for 3 of" in app.release("status")["halt"]["reason"]
    wait_for_versions(several, all_on(ONE))


def failures(app):
    """Returns the canary's counts of traps, missed deadlines and other errors."""
    tally = app.release("status")["tally"]
    return tally["traps"], tally["timeouts"], tally["errors"]


def test_halted_canary_stays_halted_until_restart(app, ids, running, clients):
    (client,) = clients(running)
    halt_canary(app, ids, client)
    for command in (["promote"], ["activate", ids[BROKEN]], ["canary", ids[BROKEN], "--percent", "50"]):
        wanted = [f"`{ids[BROKEN]}`", "1 failures, and its error budget is 0"]
        app.refuse("canary-halted", *command, names=wanted, hint="`canary --restart`")
    assert client.probe() == ONE
    start_canary(app, ids, 50, "--restart")
    wait_for_versions([client], all_on(BROKEN))
    status = app.release("status")
    assert status["halt"] is None and failures(app) == (0, 0, 0)
    # The restarted canary has its full budget.
    wait_until(lambda: client.trigger_failure("trap") and failures(app)[0] > 0)
    wait_for_versions([client], all_on(BROKEN))
    assert app.release("status")["halt"] is None
    app.release("rollback")
    wait_for_versions([client], all_on(ONE))


def test_host_started_after_a_halt_respects_it(app, ids, running, follow, clients):
    (client,) = clients(running)
    halt_canary(app, ids, client)
    running.stop()
    again = follow()
    (client,) = clients(again)
    wait_for_versions([client], all_on(ONE))
    assert_versions(again, [client], all_on(ONE))
    app.release("rollback")
    assert app.release("status")["halt"] is None


def test_new_canary_starts_with_its_own_budget(app, ids, running, clients):
    (client,) = clients(running)
    halt_canary(app, ids, client)
    app.release("canary", ids[broken(2)], "--percent", "100", "--error-budget", "50")
    wait_for_versions([client], all_on(broken(2)))
    # A process with an old pointer runs the other canary, which traps too and counts for the other canary.
    wait_until(lambda: client.trigger_failure("trap") and failures(app)[0] > 0)
    assert app.release("status")["halt"] is None
    app.release("promote")
    wait_for_versions([client], all_on(broken(2)))


def test_failures_of_the_stable_release_do_not_count_for_the_canary(app, ids, follow, clients):
    app.release("activate", ids[BROKEN])
    running = follow()
    several = clients(running, CLIENTS)
    wait_for_versions(several, all_on(BROKEN))
    share = canary_shares(ids[TWO], several)[0]
    app.release("canary", ids[TWO], "--percent", percent(share), "--error-budget", "0")
    expected = canary_versions(ids[TWO], share, TWO, BROKEN)
    wait_for_versions(several, expected)
    for client, text in zip(several, expected(several), strict=True):
        if text == BROKEN:
            client.trigger_failure("trap")
    wait_for_versions(several, expected)
    assert app.release("status")["halt"] is None and failures(app) == (0, 0, 0)


def test_several_hosts_share_one_budget(app, ids, running, follow, clients):
    """Two hosts follow one folder, like two functions that follow one table."""
    (one, other) = clients(running) + clients(follow())
    start_canary(app, ids, 3)
    wait_for_versions([one, other], all_on(BROKEN))
    for client in (one, other):
        for _ in range(2):
            client.trigger_failure("trap")
    wait_for_versions([one, other], all_on(ONE))
    assert app.release("status")["halt"]["reason"] == "4 failures, and its error budget is 3"


def halt_canary(app, ids, client):
    """Starts a canary and halts it by one trap."""
    start_canary(app, ids, 0)
    wait_for_versions([client], all_on(BROKEN))
    client.trigger_failure("trap")
    wait_for_versions([client], all_on(ONE))
    assert app.release("status")["halt"]["release"] == ids[BROKEN]
