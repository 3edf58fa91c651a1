"""Ten of the worst attacks of `tests/hostile`, beside a neighbour whose every request must be answered.

The bounds are on work, not on time: the number of the attacker's events that end between a request of the neighbour and
its answer, and the memory of the server. `make soak` runs all attacks, for longer.
"""

import re
from collections import Counter
from dataclasses import dataclass

import pytest
from hostile import guest_attacks
from hostile.attack import CLIENT, FILE
from hostile.catalogue import attacks
from hostile.runner import Setting, run

# Seconds: enough for the attack to take hold.
QUIET, SECONDS = 0.2, 2.5


@dataclass(frozen=True)
class Worst:
    """An attack, and the bounds on its effect."""

    name: str
    # Most events of the attacker between a request and its answer. `None`: the attacker counts cheap events.
    between: int | None
    # Largest resident memory of the server, in MiB.
    memory: int = 512
    scale: float = 1.0
    # Least number of the attacker's events, so that an attack which does not take place is noticed.
    events: int = 1


WORST = [
    Worst("guest-sleep-2-by-64-for-29-s", 16, events=0),
    # A connection has 16 messages in progress, which may all reach their deadline at once. In a queue without fairness,
    # a request is behind all 256.
    Worst("guest-spin-4-by-64", 128, events=0),
    Worst("guest-spin-on-40-routes", 64, events=0),
    Worst("guest-spin-on-disconnect", None),
    Worst("guest-sleep-64-on-lambda", 16, events=0),
    Worst("guest-lines-with-nobody-reading", 32),
    Worst("client-slow-connects-of-2-s", None, scale=0.3),
    Worst("client-one-way-sleepers", None),
    Worst("client-one-way-flood", None),
    Worst("client-pings-unread", None, memory=256),
]


@pytest.mark.xdist_group("neighbours")
@pytest.mark.parametrize("worst", WORST, ids=lambda worst: worst.name)
def test_neighbour_is_served_beside_an_attack(worst, tidegate, guests, tmp_path):
    setting = Setting(
        tidegate=tidegate, components=guests("guest_hostile").parent, folder=tmp_path, quiet=QUIET, seconds=SECONDS,
        scale=worst.scale,
    )
    outcome = run(attacks()[worst.name], setting)
    assert not outcome.faults
    assert not outcome.failures
    assert outcome.requests > 0
    assert outcome.events >= worst.events
    assert outcome.peak <= worst.memory
    if worst.between is not None:
        assert outcome.between <= worst.between


def test_catalogue_has_enough_attacks_of_each_kind():
    programs = {name for name, _ in guest_attacks.programs()}
    listed = re.search(r"\$with! \{(.*?)\}", (guest_attacks.SOURCES / "lib.rs").read_text(), re.DOTALL)
    assert listed and set(re.findall(r"\w+", listed[1])) == programs, "each program is listed and documented"
    kinds = Counter(one.kind for one in attacks().values())
    assert len(programs) >= 60 and kinds[CLIENT] >= 30 and kinds[FILE] >= 20
