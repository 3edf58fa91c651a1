import re
from pathlib import Path

import pytest
from templates import actions, function, statements, text

from tidegate_stack.package import Grants
from tidegate_stack.permissions import STORAGE_ACTIONS, connections_actions, groups_actions, leading_key

HOST = Path(__file__).parents[2] / "host/aws/src"
# What the SDK calls the operations that the host uses, inside transactions too, and IAM's actions for them.
OPERATIONS = {
    "get_item()": "GetItem",
    "put_item()": "PutItem",
    "Put::builder()": "PutItem",
    "update_item()": "UpdateItem",
    "Update::builder()": "UpdateItem",
    "delete_item()": "DeleteItem",
    "Delete::builder()": "DeleteItem",
    "ConditionCheck::builder()": "ConditionCheckItem",
    "batch_get_item()": "BatchGetItem",
    "batch_write_item()": "BatchWriteItem",
    "query()": "Query",
    "scan()": "Scan",
    "transact_write_items()": None,
}


def only(app: dict, **grants) -> dict:
    """The app with one route that is granted this."""
    app["routes"] = {"$connect": app["routes"]["$connect"] | {"grants": {}}, "chat": app["routes"]["chat"]}
    app["routes"]["chat"]["grants"] = grants
    app["authorizer"]["grants"] = {}
    return app


# What both functions have whatever the app is granted.
ALWAYS = {"Logs", "Traces", "ReleasePointer", "ReleaseStatus", "ReleaseObjects", "ReleaseBucket"}


def test_the_authorizer_has_no_table_of_the_apps_and_no_connections(template, stage):
    allowed = statements(template, "authorizer")
    assert set(allowed) == ALWAYS | {"Config"}
    assert actions(allowed["Config"]) == {"ssm:GetParameters"}
    assert text(allowed["Config"]["Resource"]).endswith(f":parameter/tidegate/chat/{stage}/token-key")


def test_the_handler_may_do_what_its_routes_were_granted(template, stage):
    allowed = statements(template, "handler")
    assert set(allowed) == ALWAYS | {
        "Connections",
        "Groups",
        "StorageRead",
        "StorageReadWrite",
        "Callback",
        "Config",
    }
    assert text(allowed["Config"]["Resource"]).endswith(f":parameter/tidegate/chat/{stage}/motd")


def test_the_handler_reaches_its_own_stages_connections_only(template, stage):
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    callback = statements(template, "handler")["Callback"]
    assert actions(callback) == {"execute-api:ManageConnections"}
    assert [text(resource).rpartition(":")[2] for resource in callback["Resource"]] == [
        f"<{api}>/{stage}/{method}/@connections/*" for method in ("DELETE", "GET", "POST")
    ]


def test_each_function_writes_its_own_log_group_only(template):
    for serves in ("handler", "authorizer"):
        group = function(template, serves)["LoggingConfig"]["LogGroup"]["Ref"]
        assert text(statements(template, serves)["Logs"]["Resource"]) == f"<{group}.Arn>"


def test_nothing_but_traces_has_a_bare_wildcard(template):
    for serves in ("handler", "authorizer"):
        allowed = statements(template, serves)
        wide = [sid for sid, statement in allowed.items() if statement["Resource"] == "*"]
        assert wide == ["Traces"]
        assert actions(allowed["Traces"]) == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
        assert not any(action.endswith("*") for statement in allowed.values() for action in actions(statement))


def test_without_grants_the_handler_keeps_its_registry_and_no_more(synthesize, chat):
    allowed = statements(synthesize(only(chat)), "handler")
    assert set(allowed) == ALWAYS | {"Connections"}
    assert actions(allowed["Connections"]) == {"dynamodb:PutItem", "dynamodb:DeleteItem"}
    assert set(statements(synthesize(only(chat)), "authorizer")) == ALWAYS


@pytest.mark.parametrize(
    ("grant", "sid", "added"),
    [
        ({"connections": {"describe": True}}, "Connections", {"dynamodb:GetItem"}),
        ({"connections": {"list": True}}, "Connections", {"dynamodb:Scan"}),
        ({"connections": {"attributes": "self"}}, "Connections", {"dynamodb:GetItem", "dynamodb:UpdateItem"}),
        ({"connections": {"groups": ["lobby"]}}, "Connections", {"dynamodb:UpdateItem"}),
        (
            {"connections": {"groups": ["lobby"]}},
            "Groups",
            {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:BatchWriteItem"},
        ),
        ({"messaging": {"broadcast": ["lobby"]}}, "Groups", {"dynamodb:Query", "dynamodb:BatchWriteItem"}),
    ],
)
def test_a_grant_adds_its_actions(synthesize, chat, grant, sid, added):
    base = {"dynamodb:PutItem", "dynamodb:DeleteItem"} if sid == "Connections" else set()
    assert actions(statements(synthesize(only(chat, **grant)), "handler")[sid]) == base | added


@pytest.mark.parametrize(
    ("messaging", "methods"),
    [
        ({"send": "self"}, ["POST"]),
        ({"broadcast": ["lobby"]}, ["POST"]),
        ({"describe": "any"}, ["GET"]),
        ({"close": "self"}, ["DELETE"]),
    ],
)
def test_a_messaging_grant_adds_its_method(synthesize, chat, messaging, methods):
    callback = statements(synthesize(only(chat, messaging=messaging)), "handler")["Callback"]
    resources = callback["Resource"] if isinstance(callback["Resource"], list) else [callback["Resource"]]
    assert [text(resource).split("/")[2] for resource in resources] == methods


def test_a_greeting_on_connect_needs_to_see_that_the_socket_opened(synthesize, chat):
    only(chat)["routes"]["$connect"]["grants"] = {"messaging": {"send": "self"}}
    callback = statements(synthesize(chat), "handler")["Callback"]
    assert [text(resource).split("/")[2] for resource in callback["Resource"]] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("access", "sid", "included", "excluded"),
    [
        ("read", "StorageRead", "dynamodb:GetItem", "dynamodb:PutItem"),
        ("write", "StorageWrite", "dynamodb:PutItem", "dynamodb:GetItem"),
        ("read-write", "StorageReadWrite", "dynamodb:UpdateItem", "dynamodb:Scan"),
    ],
)
def test_storage_is_reached_by_access_and_collection(synthesize, chat, access, sid, included, excluded):
    allowed = statements(synthesize(only(chat, storage={"rooms": access, "bans": access})), "handler")
    assert [name for name in allowed if name.startswith("Storage")] == [sid]
    assert included in actions(allowed[sid])
    assert excluded not in actions(allowed[sid])
    assert allowed[sid]["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["bans#*", "rooms#*"]}}


@pytest.mark.parametrize(
    ("collection", "pattern"),
    [
        ("rooms", "rooms#*"),
        ("a#b%", "a%23b%25#*"),
        ("a*", "a${*}#*"),
        ("a?${aws:username}", "a${?}${$}{aws:username}#*"),
    ],
)
def test_a_collections_name_is_no_pattern(collection, pattern):
    assert leading_key(collection) == pattern


def test_a_key_of_ones_own_is_allowed_for_these_parameters_only(synthesize, chat):
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
    for serves in ("handler", "authorizer"):
        allowed = statements(synthesize(chat, config_key=key), serves)
        assert allowed["ConfigKey"]["Resource"] == key
        assert actions(allowed["ConfigKey"]) == {"kms:Decrypt"}
        condition = allowed["ConfigKey"]["Condition"]["StringEquals"]["kms:EncryptionContext:PARAMETER_ARN"]
        assert text(condition) == text(allowed["Config"]["Resource"])


def test_values_in_secrets_manager_are_read_from_these_secrets_only(synthesize, chat):
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
    template = synthesize(chat, config_source="secrets-manager", config_key=key)
    for serves, name in (("handler", "motd"), ("authorizer", "token-key")):
        assert function(template, serves)["Environment"]["Variables"]["CONFIG_SOURCE"] == "secrets-manager"
        allowed = statements(template, serves)
        assert actions(allowed["Config"]) == {"secretsmanager:GetSecretValue"}
        # Without the characters that Secrets Manager adds, it would be another secret's name too.
        assert text(allowed["Config"]["Resource"]).endswith(f":secret:/tidegate/chat/dev/{name}-??????")
        condition = allowed["ConfigKey"]["Condition"]["StringLike"]["kms:EncryptionContext:SecretARN"]
        assert text(condition) == text(allowed["Config"]["Resource"])


def host_actions(folder: str) -> set[str]:
    """The actions of the SDK calls in a folder of the host's source."""
    source = "\n".join(path.read_text() for path in (HOST / folder).rglob("*.rs"))
    calls = re.findall(r"\.(\w+\(\))\s*\.(?:table_name|request_items|set_transact_items|set_request_items)\(", source)
    calls += re.findall(r"\b((?:Put|Update|Delete|ConditionCheck|Get)::builder\(\))", source)
    return {OPERATIONS[call] for call in calls} - {None}


def test_all_grants_together_allow_exactly_what_the_host_calls():
    everything = [
        Grants(
            connections={"describe": True, "list": True, "attributes": "any", "groups": ["*"]},
            messaging={"broadcast": ["*"]},
        )
    ]
    assert host_actions("storage") == set(STORAGE_ACTIONS["read-write"])
    assert host_actions("registry") == connections_actions(everything) | groups_actions(everything)


def test_hosts_and_who_activates_are_allowed_exactly_what_the_store_of_releases_calls(template):
    activates = template.find_resources("AWS::IAM::ManagedPolicy")[
        template.find_outputs("ActivatePolicy")["ActivatePolicy"]["Value"]["Ref"]
    ]
    allowed = [it for sid, it in statements(template, "handler").items() if sid.startswith("Release")]
    allowed += activates["Properties"]["PolicyDocument"]["Statement"]
    found = {action for statement in allowed for action in actions(statement) if action.startswith("dynamodb:")}
    assert found == {f"dynamodb:{action}" for action in host_actions("releases")}
