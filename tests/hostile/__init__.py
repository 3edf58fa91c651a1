"""Attacks on a host, with a probe of a neighbour beside each of them.

    guests/        programs in Rust that attack the host; `guest_attacks` gives each of them its clients
    clients/       client programs that attack the gateway
    files/         files and folders that attack the command line, made when they are needed
    neighbour/     the routes that the probe calls
    probe.py       an echo every 20 ms, a storage round trip every 100 ms and a handshake every 250 ms
    runner.py      runs one attack beside the probe
    run.py         runs many, and rewrites the tables of docs/RELIABILITY.md; `make hostile` calls it

The probe, the attackers and the server are processes of their own. The probe measures latency, which is printed and
never asserted, and work: the number of the attacker's events that ended between a request of the probe and its answer.
Tests assert on work alone.
"""
