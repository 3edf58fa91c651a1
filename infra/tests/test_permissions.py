import re
from pathlib import Path

import pytest
from templates import actions, function, statements, text

from tidegate_stack.package import Grants
from tidegate_stack.permissions import STORAGE_ACTIONS, connections_actions, groups_actions, leading_key

HOST = Path(__file__).parents[2] / "host/aws/src"
# Calls of the SDK in the host, those inside of transactions included, with their IAM actions.
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
    """Returns the app with no grants but these, on one route."""
    app["routes"] = {"$connect": app["routes"]["$connect"] | {"grants": {}}, "chat": app["routes"]["chat"]}
    app["routes"]["chat"]["grants"] = grants
    app["authorizer"]["grants"] = {}
    return app


# Statements of both functions that do not depend on grants.
ALWAYS = {"Logs", "Traces", "ReleasePointer", "ReleaseStatus", "ReleaseObjects", "ReleaseBucket"}


def test_the_authorizer_reads_only_its_configuration(template, stage):
    allowed = statements(template, "authorizer")
    assert set(allowed) == ALWAYS | {"Config"}
    assert actions(allowed["Config"]) == {"ssm:GetParameters"}
    assert text(allowed["Config"]["Resource"]).endswith(f":parameter/tidegate/chat/{stage}/token-key")


def test_the_handler_has_the_grants_of_its_routes(template, stage):
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


def test_the_handler_reaches_only_connections_of_its_own_stage(template, stage):
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    callback = statements(template, "handler")["Callback"]
    assert actions(callback) == {"execute-api:ManageConnections"}
    assert [text(resource).rpartition(":")[2] for resource in callback["Resource"]] == [
        f"<{api}>/{stage}/{method}/@connections/*" for method in ("DELETE", "GET", "POST")
    ]


def test_each_function_writes_only_to_its_own_log_group(template):
    for serves in ("handler", "authorizer"):
        group = function(template, serves)["LoggingConfig"]["LogGroup"]["Ref"]
        assert text(statements(template, serves)["Logs"]["Resource"]) == f"<{group}.Arn>"


def test_only_traces_have_a_bare_wildcard(template):
    for serves in ("handler", "authorizer"):
        allowed = statements(template, serves)
        wide = [sid for sid, statement in allowed.items() if statement["Resource"] == "*"]
        assert wide == ["Traces"]
        assert actions(allowed["Traces"]) == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
        assert not any(action.endswith("*") for statement in allowed.values() for action in actions(statement))


def test_a_handler_without_grants_has_only_its_registry(synthesize, chat):
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
def test_each_connections_or_groups_grant_adds_its_actions(synthesize, chat, grant, sid, added):
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
def test_each_messaging_grant_adds_its_method(synthesize, chat, messaging, methods):
    callback = statements(synthesize(only(chat, messaging=messaging)), "handler")["Callback"]
    resources = callback["Resource"] if isinstance(callback["Resource"], list) else [callback["Resource"]]
    assert [text(resource).split("/")[2] for resource in resources] == methods


def test_send_on_connect_adds_the_method_that_checks_the_connection(synthesize, chat):
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
def test_storage_statements_are_limited_by_access_and_collection(synthesize, chat, access, sid, included, excluded):
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
def test_leading_keys_escape_wildcards_of_the_collection_name(collection, pattern):
    assert leading_key(collection) == pattern


def test_a_customer_managed_key_decrypts_only_granted_parameters(synthesize, chat):
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
    for serves in ("handler", "authorizer"):
        allowed = statements(synthesize(chat, config_key=key), serves)
        assert allowed["ConfigKey"]["Resource"] == key
        assert actions(allowed["ConfigKey"]) == {"kms:Decrypt"}
        condition = allowed["ConfigKey"]["Condition"]["StringEquals"]["kms:EncryptionContext:PARAMETER_ARN"]
        assert text(condition) == text(allowed["Config"]["Resource"])


def test_only_granted_secrets_are_read_from_secrets_manager(synthesize, chat):
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
    template = synthesize(chat, config_source="secrets-manager", config_key=key)
    for serves, name in (("handler", "motd"), ("authorizer", "token-key")):
        assert function(template, serves)["Environment"]["Variables"]["CONFIG_SOURCE"] == "secrets-manager"
        allowed = statements(template, serves)
        assert actions(allowed["Config"]) == {"secretsmanager:GetSecretValue"}
        # Without the six characters, the pattern would match the names of other secrets too.
        assert text(allowed["Config"]["Resource"]).endswith(f":secret:/tidegate/chat/dev/{name}-??????")
        condition = allowed["ConfigKey"]["Condition"]["StringLike"]["kms:EncryptionContext:SecretARN"]
        assert text(condition) == text(allowed["Config"]["Resource"])


def host_actions(folder: str) -> set[str]:
    """Returns the actions of the SDK calls in a folder of the host's source."""
    source = "\n".join(path.read_text() for path in (HOST / folder).rglob("*.rs"))
    calls = re.findall(r"\.(\w+\(\))\s*\.(?:table_name|request_items|set_transact_items|set_request_items)\(", source)
    calls += re.findall(r"\b((?:Put|Update|Delete|ConditionCheck|Get)::builder\(\))", source)
    return {OPERATIONS[call] for call in calls} - {None}


def test_all_grants_together_allow_exactly_the_calls_of_the_host():
    everything = [
        Grants(
            connections={"describe": True, "list": True, "attributes": "any", "groups": ["*"]},
            messaging={"broadcast": ["*"]},
        )
    ]
    assert host_actions("dynamodb/storage") == set(STORAGE_ACTIONS["read-write"])
    assert host_actions("dynamodb/registry") == connections_actions(everything) | groups_actions(everything)


def test_hosts_and_activators_may_make_exactly_the_calls_of_the_release_store(template):
    activates = template.find_resources("AWS::IAM::ManagedPolicy")[
        template.find_outputs("ActivatePolicy")["ActivatePolicy"]["Value"]["Ref"]
    ]
    allowed = [value for sid, value in statements(template, "handler").items() if sid.startswith("Release")]
    allowed += activates["Properties"]["PolicyDocument"]["Statement"]
    found = {action for statement in allowed for action in actions(statement) if action.startswith("dynamodb:")}
    assert found == {f"dynamodb:{action}" for action in host_actions("releases")}
