"""Text of others on a terminal and in the log: it stays on its line, and moves no cursor."""

import contextlib
import json
import re

import chat
import releases
import signing

# A line break that forges a line, and the sequences that clear a screen and set the title of a terminal.
FORGED = "2026-01-01T00:00:00.000000Z ERROR forged"
NASTY = f"hi\r\n{FORGED}\x1b[2J\x1b]0;title\x07\x7f\u009b31m\u202eoverride\u2028{FORGED}"
# What an escaped text must not have. Tables have spaces, and lines end.
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def assert_harmless(printed: str) -> None:
    found = DANGEROUS.search(printed)
    assert not found, repr(printed[max(0, found.start() - 80) : found.end() + 80])
    assert not any(line.startswith(FORGED[:20]) and "forged" in line for line in printed.splitlines()), printed


def is_shown(printed: str) -> bool:
    """Returns true if the text is there, escaped."""
    return r"\u{1b}[2J" in printed or r"\u001b[2J" in printed


def test_messages_and_guests_cannot_forge_log_lines(serve, token):
    running = serve("--memory")
    text = chat.unique(NASTY)
    with chat.Client(running.url, token("ann")) as ann:
        ann.say(text)
        ann.send({"action": "nothing", "text": NASTY})
        ann.socket.send(NASTY)
    running.stop()
    assert_harmless(running.errors)


def test_guest_output_and_traps_stay_on_their_lines(serve, guests):
    from test_hostile import APP

    running = serve("--memory", app=APP)
    with chat.Client(running.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send(f"lines {NASTY}")
        with contextlib.suppress(TimeoutError):
            mallory.socket.recv(timeout=5)
        for behaviour in (f"panicking {NASTY}", f"print {NASTY}", "trap"):
            mallory.socket.send(behaviour)
            mallory.receive_error()
    running.stop()
    assert_harmless(running.errors)
    assert "inner_function_of_the_trap" in running.errors


def test_history_and_reports_are_escaped(app, ids, run):
    first = ids[releases.version(1)]
    app.release("activate", first, "--reason", NASTY)
    report = {"at": 1_900_000_000_000, "loaded": 1, "failed": 1,
              "failure": {"at": 1_900_000_000_000, "host": NASTY, "reason": NASTY}}
    (app.store / "status" / "releases" / f"{first}.json").write_text(json.dumps(report))
    for command in ("history", "status"):
        printed = run("release", command, "--app", app.folder)
        assert printed.returncode == 0, printed.stderr
        assert is_shown(printed.stdout)
        assert_harmless(printed.stdout + printed.stderr)
        as_json = run("release", command, "--app", app.folder, "--json")
        assert is_shown(as_json.stdout)
        assert_harmless(as_json.stdout)
        assert NASTY in texts(json.loads(as_json.stdout))


def texts(value):
    """Returns every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for member in members for text in texts(member)]


def test_unsigned_releases_are_escaped(app, ids, run, tmp_path):
    key = tmp_path / "mallory.pem"
    assert run("keys", "new", "mallory", "--output", key).returncode == 0

    def change(document):
        document["provenance"]["revision"] = NASTY
        document["provenance"]["tidegate"] = NASTY
        document["engine"] = NASTY

    forged = signing.forge(app.store, ids[releases.version(1)], key, change)
    for command in (["list"], ["show", forged], ["diff", ids[releases.version(2)], forged]):
        printed = run("release", *command, "--app", app.folder)
        assert printed.returncode == 0, printed.stderr
        assert_harmless(printed.stdout + printed.stderr)
        as_json = run("release", *command, "--app", app.folder, "--json")
        assert_harmless(as_json.stdout)
        json.loads(as_json.stdout)
    refused = run("release", "activate", forged, "--app", app.folder)
    assert refused.returncode == 1
    assert_harmless(refused.stderr)
    assert is_shown(run("release", "show", forged, "--app", app.folder).stdout)


def test_manifests_are_escaped(run, tmp_path):
    for manifest in (
        f"[{json.dumps(NASTY)}]\n",
        f'[app]\nname = {json.dumps(NASTY)}\nroute-selection-expression = "$request.body.action"\n',
        f'[app]\nname = "a"\nroute-selection-expression = {json.dumps(NASTY)}\n',
    ):
        (tmp_path / "tidegate.toml").write_text(manifest.replace("\x7f", "\\u007f"))
        for more in ([], ["--json"]):
            done = run("release", "list", "--app", tmp_path, *more)
            assert done.returncode == 1
            assert_harmless(done.stdout + done.stderr)
