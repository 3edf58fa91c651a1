"""A canary: the connections that it takes stay with it, and failures above its budget end it everywhere."""

import time

import pytest
from releases import UNCHANGED, Versions, answers, broken, percent, remainder, version
from waiting import wait_until

ONE, TWO = version(1), version(2)
BROKEN = broken(1)
CLIENTS, ROUNDS = 10, 20
# Seconds for which a process of a function believes what it has read of the pointer.
MAX_STALENESS = 2


@pytest.fixture
def running(app, ids, follow):
    """A host that follows, with an active release."""
    app.do("activate", ids[ONE])
    return follow()


def settle(clients, expected):
    """Waits until each client is answered by the version that is expected of it."""
    wait_until(lambda: answers(clients) == expected(clients))


def laggards(running, clients):
    """How many events may still run on what was before: one of each process that has slept since.

    The others have looked again by then: it sends them events for as long as a process may believe what it has read.
    """
    processes = len(running.bootstraps())
    end = time.monotonic() + MAX_STALENESS
    while processes and time.monotonic() < end:
        answers(clients)
    return processes


def holds(running, clients, expected):
    """Holds that each client is answered so for many events."""
    asleep, others = laggards(running, clients), 0
    for _ in range(ROUNDS):
        others += sum(found != wanted for found, wanted in zip(answers(clients), expected(clients), strict=True))
    assert others <= asleep


def taken(release, hundredths, canary, stable):
    """What is expected while a canary takes a share of the connections."""
    return lambda clients: [
        canary if remainder(release, client.connection) < hundredths else stable for client in clients
    ]


def everybody(text):
    return lambda clients: [text] * len(clients)


def shares(release, clients):
    """Shares that take a few clients, more, and all of them: each takes just the connection at its edge."""
    found = sorted(remainder(release, client.connection) for client in clients)
    return [found[2] + 1, found[6] + 1, 10_000]


def test_a_canary_takes_the_connections_of_the_rule_and_keeps_them(app, ids, running, clients):
    several = clients(running, CLIENTS)
    settle(several, everybody(ONE))
    before = 0
    for share in shares(ids[TWO], several):
        app.do("canary", ids[TWO], "--percent", percent(share))
        expected = taken(ids[TWO], share, TWO, ONE)
        on_canary = expected(several).count(TWO)
        assert on_canary > before
        settle(several, expected)
        holds(running, several, expected)
        before = on_canary
    assert before == CLIENTS
    # Lowered, it gives back those that it took last.
    lowered = shares(ids[TWO], several)[0]
    app.do("canary", ids[TWO], "--percent", percent(lowered))
    settle(several, taken(ids[TWO], lowered, TWO, ONE))
    app.do("rollback")
    settle(several, everybody(ONE))
    holds(running, several, everybody(ONE))


def test_a_larger_share_moves_some_to_the_canary_and_none_back(app, ids, running, clients):
    several = clients(running, CLIENTS)
    settle(several, everybody(ONE))
    few, more, _ = shares(ids[TWO], several)
    app.do("canary", ids[TWO], "--percent", percent(few))
    settle(several, taken(ids[TWO], few, TWO, ONE))
    on_canary = [client for client, text in zip(several, answers(several), strict=True) if text == TWO]
    others = [client for client in several if client not in on_canary]
    asleep, back = laggards(running, several), 0
    app.do("canary", ids[TWO], "--percent", percent(more))

    def moved():
        nonlocal back
        back += answers(on_canary).count(ONE)
        return answers(others) == taken(ids[TWO], more, TWO, ONE)(others)

    wait_until(moved)
    assert back <= asleep


def test_a_promotion_moves_the_others(app, ids, running, clients):
    several = clients(running, CLIENTS)
    settle(several, everybody(ONE))
    share = shares(ids[TWO], several)[0]
    app.do("canary", ids[TWO], "--percent", percent(share))
    settle(several, taken(ids[TWO], share, TWO, ONE))
    app.do("promote")
    assert app.active() == ids[TWO]
    settle(several, everybody(TWO))
    holds(running, several, everybody(TWO))


def test_a_canary_runs_beside_what_was_deployed(app, ids, follow, clients):
    running = follow()
    several = clients(running, CLIENTS)
    settle(several, everybody(UNCHANGED))
    share = shares(ids[TWO], several)[1]
    app.do("canary", ids[TWO], "--percent", percent(share))
    settle(several, taken(ids[TWO], share, TWO, UNCHANGED))
    app.do("rollback")
    settle(several, everybody(UNCHANGED))


def begin(app: Versions, ids, budget, *arguments):
    """A canary for everybody, of the version that fails when it is told to."""
    app.do("canary", ids[BROKEN], "--percent", "100", "--error-budget", str(budget), *arguments)


def test_failures_above_the_budget_halt_the_canary(app, ids, running, clients):
    several = clients(running, 3)
    begin(app, ids, 4)
    settle(several, everybody(BROKEN))
    # Up to the budget, whichever way it fails. A refusal that the guest means is none of its failures.
    assert "refuse" in several[0].fail("refuse")
    assert several[0].fail("trap") == "Internal server error"
    assert several[1].fail("spin") == "Internal server error"
    assert "fail" in several[2].fail("fail")
    several[0].fail("trap")
    wait_until(lambda: failures(app) == (2, 1, 1))
    settle(several, everybody(BROKEN))
    assert app.do("status")["halt"] is None
    # One more.
    assert several[1].fail("trap") == "Internal server error"
    settle(several, everybody(ONE))
    holds(running, several, everybody(ONE))

    status = app.do("status")
    halt = status["halt"]
    assert (halt["release"], halt["reason"]) == (ids[BROKEN], "5 failures, and its error budget is 4")
    assert status["tally"]["events"] >= status["tally"]["traps"] == 3
    assert status["pointer"]["active"] == ids[ONE]
    assert "halted" in app.run("release", "status", "--app", app.folder).stdout
    wait_until(lambda: any("halted" in line and ids[BROKEN] in line for line in running.errors.splitlines()))


def failures(app):
    """The traps, missed deadlines and other errors of the canary."""
    tally = app.do("status")["tally"]
    return tally["traps"], tally["timeouts"], tally["errors"]


def test_a_halted_canary_stays_halted_until_it_is_restarted(app, ids, running, clients):
    (client,) = clients(running)
    halt(app, ids, client)
    for command in (["promote"], ["activate", ids[BROKEN]], ["canary", ids[BROKEN], "--percent", "50"]):
        said = app.refuse(*command)
        assert f"the canary `{ids[BROKEN]}` was halted: 1 failures, and its error budget is 0" in said
        assert "hint: `tidegate release rollback` ends it, and `canary --restart` begins anew" in said
    assert client.ask() == ONE
    begin(app, ids, 50, "--restart")
    settle([client], everybody(BROKEN))
    status = app.do("status")
    assert status["halt"] is None and failures(app) == (0, 0, 0)
    # Its budget began anew.
    wait_until(lambda: client.fail("trap") and failures(app)[0] > 0)
    settle([client], everybody(BROKEN))
    assert app.do("status")["halt"] is None
    app.do("rollback")
    settle([client], everybody(ONE))


def test_a_host_that_starts_after_the_halt_honours_it(app, ids, running, follow, clients):
    (client,) = clients(running)
    halt(app, ids, client)
    running.stop()
    again = follow()
    (client,) = clients(again)
    settle([client], everybody(ONE))
    holds(again, [client], everybody(ONE))
    app.do("rollback")
    assert app.do("status")["halt"] is None


def test_another_canary_begins_with_a_budget_of_its_own(app, ids, running, clients):
    (client,) = clients(running)
    halt(app, ids, client)
    app.do("canary", ids[broken(2)], "--percent", "100", "--error-budget", "50")
    settle([client], everybody(broken(2)))
    # A process that has slept runs the other canary, which traps too, and counts it for that.
    wait_until(lambda: client.fail("trap") and failures(app)[0] > 0)
    assert app.do("status")["halt"] is None
    app.do("promote")
    settle([client], everybody(broken(2)))


def test_failures_of_the_stable_release_are_no_canarys(app, ids, follow, clients):
    app.do("activate", ids[BROKEN])
    running = follow()
    several = clients(running, CLIENTS)
    settle(several, everybody(BROKEN))
    share = shares(ids[TWO], several)[0]
    app.do("canary", ids[TWO], "--percent", percent(share), "--error-budget", "0")
    expected = taken(ids[TWO], share, TWO, BROKEN)
    settle(several, expected)
    for client, text in zip(several, expected(several), strict=True):
        if text == BROKEN:
            client.fail("trap")
    settle(several, expected)
    assert app.do("status")["halt"] is None and failures(app) == (0, 0, 0)


def test_several_hosts_share_one_budget(app, ids, running, follow, clients):
    """Two of `tidegate dev` follow one folder, as two functions follow one table."""
    (one, other) = clients(running) + clients(follow())
    begin(app, ids, 3)
    settle([one, other], everybody(BROKEN))
    for client in (one, other):
        for _ in range(2):
            client.fail("trap")
    settle([one, other], everybody(ONE))
    assert app.do("status")["halt"]["reason"] == "4 failures, and its error budget is 3"


def halt(app, ids, client):
    """Has a canary halted, by one trap."""
    begin(app, ids, 0)
    settle([client], everybody(BROKEN))
    client.fail("trap")
    settle([client], everybody(ONE))
    assert app.do("status")["halt"]["release"] == ids[BROKEN]
