"""The names and numbers that AWS can hold. The tests of `tidegate check` read the same file of names."""

import json
from pathlib import Path

import pytest
from fixture_package import CHAT, write_package

from tidegate_stack import functions, rules
from tidegate_stack.errors import Code, StackError
from tidegate_stack.package import Package

NAMES = json.loads((Path(__file__).parents[2] / "host/app/tests/names.json").read_text())
ROUTE = {"component": "chat", "response": False, "grants": {}, "limits": {}}
# Kinds of names that `app.json` does not have, or that the stack does not depend on.
ELSEWHERE = ("component", "stage")


def app(**changes) -> dict:
    return {**CHAT, "authorizer": None, "routes": {"r": ROUTE}} | changes


def app_with(kind: str, name: str) -> dict:
    """Returns an app that uses `name` as a name of this kind."""
    match kind:
        case "app":
            return app(name=name)
        case "config":
            return app(routes={"r": ROUTE | {"grants": {"config": [name]}}})
        case "collection":
            return app(routes={"r": ROUTE | {"grants": {"storage": {name: "read"}}}})
        case "route-key":
            return app(routes={name: ROUTE})
    raise ValueError(kind)


def sized(stack: dict) -> dict:
    """Returns an app with the numbers of routes of an example."""
    routes = {f"r{number}": ROUTE | {"response": number < stack["two-way"]} for number in range(stack["routes"])}
    if not stack["authorizer"]:
        return app(routes=routes)
    return app(routes={"$connect": ROUTE} | routes, authorizer=CHAT["authorizer"])


@pytest.mark.parametrize("kind", NAMES["names"])
def test_names_are_accepted_and_refused_as_by_check(kind):
    names = NAMES["names"][kind]
    for name in names["accepted"]:
        assert not rules.expected(kind, name), name
        assert kind in ELSEWHERE or not rules.problem(app_with(kind, name)), name
    for name in names["refused"]:
        assert rules.expected(kind, name), name
        assert kind in ELSEWHERE or rules.problem(app_with(kind, name)), name


def test_identity_sources_are_accepted_and_refused_as_by_check():
    sources = NAMES["identity-sources"]
    assert [source for source in sources["accepted"] if not rules.is_identity_source(source)] == []
    assert [source for source in sources["refused"] if rules.is_identity_source(source)] == []


@pytest.mark.parametrize("stack", NAMES["stacks"], ids=str)
def test_stacks_are_accepted_and_refused_as_by_check(stack):
    document = sized(stack)
    assert rules.resources(document) == stack["resources"]
    assert (rules.problem(document) is None) == stack["fits"]


@pytest.mark.parametrize("policy", NAMES["policies"], ids=str)
def test_policies_are_accepted_and_refused_as_by_check(policy):
    config = [f"value-{number:03}" for number in range(policy["config"])]
    storage = {f"collection-{number:03}": "read" for number in range(policy["collections"])}
    grants = {"config": config, "storage": storage}
    assert (rules.problem(app(routes={"r": ROUTE | {"grants": grants}})) is None) == policy["fits"]


def test_functions_have_the_memory_and_the_time_that_check_knows():
    assert rules.TABLE["function-memory"] == [functions.HANDLER_MEMORY, functions.AUTHORIZER_MEMORY]
    assert rules.TABLE["authorizer-seconds"] == functions.AUTHORIZER_TIMEOUT.to_seconds()


def test_a_package_of_an_app_that_no_stack_can_hold_is_refused(tmp_path):
    with pytest.raises(StackError) as error:
        Package.read(write_package(tmp_path / "p.zip", app(name="my_chat")))
    assert error.value.code == Code.APP_INVALID
    assert "`my_chat`" in error.value.why


def resolved(value):
    """Returns a value with references replaced by values of a usual length."""
    match value:
        case {"Ref": name}:
            return {"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1"}.get(name, "111122223333")
        case {"Fn::GetAtt": [name, _]}:
            return f"arn:aws:dynamodb:ap-southeast-1:111122223333:table/tidegate-chat-dev-{name}-1ABCDEFGHIJKL"
        case {"Fn::Join": [separator, parts]}:
            return separator.join(map(resolved, parts))
        case dict():
            return {name: resolved(item) for name, item in value.items()}
        case list():
            return [resolved(item) for item in value]
    return value


def resources(template) -> dict[str, dict]:
    return template.to_json()["Resources"]


@pytest.mark.parametrize("stack", [stack for stack in NAMES["stacks"] if stack["routes"] < 10], ids=str)
def test_a_stack_has_as_many_resources_as_check_counts(synthesize, stack):
    assert len(resources(synthesize(sized(stack)))) == stack["resources"]


def test_a_stack_with_the_largest_policies_has_the_reserved_resources_at_most(synthesize, chat):
    room = rules.TABLE["policy-characters"]
    each = rules.policy_characters(chat["name"], [{"config": ["value-000"]}])
    config = [f"value-{number:03}" for number in range(room // each)]
    chat["authorizer"]["grants"]["config"] = config
    chat["routes"] = {"$connect": ROUTE | {"grants": {"config": config}}}
    assert rules.problem(chat) is None
    made = resources(synthesize(chat))
    assert rules.resources(chat) <= len(made) <= rules.resources(chat) + rules.TABLE["reserved-resources"]
    for kind, limit in (("AWS::IAM::Policy", 10_240), ("AWS::IAM::ManagedPolicy", 6_144)):
        documents = [resolved(it["Properties"]["PolicyDocument"]) for it in made.values() if it["Type"] == kind]
        sizes = [len(json.dumps(document, separators=(",", ":"))) for document in documents]
        assert sizes and max(sizes) <= limit


def test_route_keys_that_the_cdk_writes_alike_make_different_routes(synthesize):
    keys = ["a--b", "a/b", "a/b/c", "a--b--c", "a--b/c"]
    made = resources(synthesize(app(routes=dict.fromkeys(keys, ROUTE))))
    routes = [it["Properties"]["RouteKey"] for it in made.values() if it["Type"] == "AWS::ApiGatewayV2::Route"]
    assert sorted(routes) == sorted([*keys, "$connect", "$disconnect"])
