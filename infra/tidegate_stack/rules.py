"""The names and numbers that AWS can hold: the table of `host/app/src/rules.rs`, which `tidegate check` applies too.

`rules.json` is generated from that file. `host/app/tests/names.json` has names that both accept and names that both
refuse.
"""

import json
import re
from pathlib import Path

TABLE = json.loads((Path(__file__).parent / "rules.json").read_text())
NAMES = {kind: (re.compile(rule["pattern"]), rule["expected"]) for kind, rule in TABLE["names"].items()}
PARAMETER_PREFIXES = ("route.request.header.", "route.request.querystring.")
CONTEXT_PREFIX = "context."
# Characters of a policy for one character of a collection's name; `permissions.leading_key` escapes them.
ESCAPED = {"*": 4, "?": 4, "$": 4, "%": 3, "#": 3, '"': 2, "\\": 2}
LIFECYCLE = ("$connect", "$disconnect")


def expected(kind: str, name: str) -> str | None:
    """Returns the rule for names of this kind in words, or None if the rule allows `name`."""
    pattern, text = NAMES[kind]
    return None if pattern.fullmatch(name) else text


def is_identity_source(text: str) -> bool:
    """Returns true if API Gateway accepts an identity source, and finds its value in every handshake that has one."""
    for prefix in PARAMETER_PREFIXES:
        if text.startswith(prefix):
            return not expected("parameter", text.removeprefix(prefix))
    return text.startswith(CONTEXT_PREFIX) and text.removeprefix(CONTEXT_PREFIX) in TABLE["context"]


def routes(document: dict) -> int:
    """Returns the number of routes of the API of an `app.json`: `$connect` and `$disconnect` are always among them."""
    return len({*document["routes"], *LIFECYCLE})


def resources(document: dict) -> int:
    """Returns the number of resources of the stack of an `app.json`, without those of policies that the CDK splits."""
    two_way = sum(bool(route["response"]) for route in document["routes"].values())
    authorizer = TABLE["authorizer-resources"] if document.get("authorizer") else 0
    return TABLE["fixed-resources"] + authorizer + routes(document) + two_way


def policy_characters(name: str, grants: list[dict]) -> int:
    """Returns the number of characters of a function's policy for the names that it may access."""
    config = {value for grant in grants for value in grant.get("config", ())}
    collections = {pair for grant in grants for pair in grant.get("storage", {}).items()}
    return sum(TABLE["config-characters"] + len(name) + len(value) for value in config) + sum(
        5 + sum(ESCAPED.get(character, 1) for character in collection) for collection, _ in collections
    )


def problem(document: dict) -> str | None:
    """Returns the first reason for which no stack can hold an `app.json`, or None."""
    grants = [route.get("grants", {}) for route in document["routes"].values()]
    authorizer = document.get("authorizer") or {}
    named = [
        ("app", document["name"]),
        *(("route-key", key) for key in document["routes"]),
        *(("config", name) for grant in (*grants, authorizer.get("grants", {})) for name in grant.get("config", ())),
        *(("collection", name) for grant in grants for name in grant.get("storage", {})),
    ]
    for kind, name in named:
        if text := expected(kind, name):
            return f"the name `{name}` is not valid: expected {text}"
    for source in authorizer.get("identity-source", ()):
        if not is_identity_source(source):
            return f"API Gateway does not accept the identity source `{source}`, or never finds its value"
    return _size(document, grants, [authorizer.get("grants", {})])


def _size(document: dict, *functions: list[dict]) -> str | None:
    room = TABLE["resources"] - TABLE["reserved-resources"]
    if routes(document) > TABLE["routes"]:
        return f"its {routes(document)} routes exceed API Gateway's limit of {TABLE['routes']}"
    if resources(document) > room:
        return f"its routes need {resources(document)} resources of a stack, which has room for {room}"
    if any(policy_characters(document["name"], grants) > TABLE["policy-characters"] for grants in functions):
        return f"the granted names need over {TABLE['policy-characters']} characters of an IAM policy"
    if len(json.dumps(document, separators=(",", ":"))) > TABLE["app-bytes"]:
        return f"it has over {TABLE['app-bytes']} bytes, which a template has no room for"
    return None
