import re
from pathlib import Path

import pytest
from aws_cdk.assertions import Match
from fixture_package import FINGERPRINT
from templates import function, one, text

TABLES_RS = Path(__file__).parents[2] / "host/aws/src/dynamodb/tables.rs"
RETENTION = {"dev": 7, "stage": 30, "prod": 90}


def keys(template) -> dict[str, list[str]]:
    """Returns the key attributes of each table, by its logical id."""
    return {
        name: [key["AttributeName"] for key in table["Properties"]["KeySchema"]]
        for name, table in template.find_resources("AWS::DynamoDB::Table").items()
    }


def test_tables_have_the_keys_that_the_host_uses(template):
    definition = re.compile(r'self\.(\w+)\.clone\(\), partition: "(\w+)", sort: (?:Some\("(\w+)"\)|None)')
    expected = {
        name: [key for key in (partition, sort) if key]
        for name, partition, sort in definition.findall(TABLES_RS.read_text())
    }
    assert {"connections", "groups", "storage"} <= set(expected)
    found = keys(template)
    environment = function(template, "handler")["Environment"]["Variables"]
    for name, attributes in expected.items():
        assert found[environment[f"{name.upper()}_TABLE"]["Ref"]] == attributes


def tables(template) -> dict[str, dict]:
    """Returns the tables by environment variable."""
    found = template.find_resources("AWS::DynamoDB::Table")
    variables = function(template, "handler")["Environment"]["Variables"]
    return {name: found[value["Ref"]] for name, value in variables.items() if name.endswith("_TABLE")}


def test_tables_are_on_demand_and_delete_expired_items(template):
    attribute = re.search(r'TTL_ATTRIBUTE: &str = "(\w+)"', TABLES_RS.read_text()).group(1)
    template.resource_count_is("AWS::DynamoDB::Table", 5)
    template.all_resources_properties("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"})
    found = {name: table["Properties"].get("TimeToLiveSpecification") for name, table in tables(template).items()}
    # The pointer and its history never expire.
    assert found.pop("RELEASES_TABLE") is None
    assert set(found) == {"CONNECTIONS_TABLE", "GROUPS_TABLE", "STORAGE_TABLE", "RELEASE_STATUS_TABLE"}
    assert all(value == {"AttributeName": attribute, "Enabled": True} for value in found.values())


def test_only_storage_and_releases_in_prod_outlive_the_stack(template, stage):
    for name, table in tables(template).items():
        kept = stage == "prod" and name in ("STORAGE_TABLE", "RELEASES_TABLE")
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == ("Retain" if kept else "Delete")
        properties = table["Properties"]
        recovery = properties.get("PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})
        assert recovery == {"PointInTimeRecoveryEnabled": kept}
        assert properties.get("DeletionProtectionEnabled", False) == kept


@pytest.mark.parametrize(("serves", "memory", "timeout"), [("handler", 512, 29), ("authorizer", 256, 5)])
def test_both_functions_share_a_package_and_have_their_own_settings(template, stage, serves, memory, timeout):
    properties = function(template, serves)
    assert properties["Runtime"] == "provided.al2023"
    assert properties["Architectures"] == ["arm64"]
    assert (properties["MemorySize"], properties["Timeout"]) == (memory, timeout)
    assert properties["TracingConfig"] == {"Mode": "Active"}
    assert properties["Code"] == function(template, "handler")["Code"]
    assert properties["Environment"]["Variables"]["STAGE"] == stage
    assert properties["LoggingConfig"]["SystemLogLevel"] == "INFO"
    # A log filter above INFO drops embedded metrics, which have no level.
    assert properties["LoggingConfig"]["ApplicationLogLevel"] in ("DEBUG", "INFO")
    logs = template.find_resources("AWS::Logs::LogGroup")[properties["LoggingConfig"]["LogGroup"]["Ref"]]
    assert logs["Properties"]["RetentionInDays"] == RETENTION[stage]
    assert logs["DeletionPolicy"] == ("Retain" if stage == "prod" else "Delete")


def test_environment_variables_name_the_tables_and_the_callback_url(template, stage):
    variables = function(template, "handler")["Environment"]["Variables"]
    assert set(variables) == {
        "TIDEGATE_FUNCTION",
        "STAGE",
        "CONNECTIONS_TABLE",
        "GROUPS_TABLE",
        "STORAGE_TABLE",
        "API_GATEWAY_URL",
        "CONFIG_PREFIX",
        "RELEASES_TABLE",
        "RELEASE_STATUS_TABLE",
        "RELEASES_BUCKET",
    }
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    assert text(variables["API_GATEWAY_URL"]) == f"https://<{api}>.execute-api.<AWS::Region>.<AWS::URLSuffix>/{stage}"
    assert variables["CONFIG_PREFIX"] == f"/tidegate/chat/{stage}/"
    assert set(function(template, "authorizer")["Environment"]["Variables"]) == {
        "TIDEGATE_FUNCTION",
        "STAGE",
        "CONFIG_PREFIX",
        "RELEASES_TABLE",
        "RELEASE_STATUS_TABLE",
        "RELEASES_BUCKET",
    }


def test_routes_are_those_of_the_app(template):
    routes = template.find_resources("AWS::ApiGatewayV2::Route")
    by_key = {route["Properties"]["RouteKey"]: name for name, route in routes.items()}
    assert set(by_key) == {"$connect", "$default", "$disconnect", "chat"}
    two_way = {
        response["Properties"]["RouteId"]["Ref"]
        for response in template.find_resources("AWS::ApiGatewayV2::RouteResponse").values()
    }
    assert two_way == {by_key["$default"], by_key["chat"]}
    for name, route in routes.items():
        selection = route["Properties"].get("RouteResponseSelectionExpression")
        assert selection == ("$default" if name in two_way else None)
        authorization = "CUSTOM" if name == by_key["$connect"] else "NONE"
        assert route["Properties"]["AuthorizationType"] == authorization
    template.has_resource_properties(
        "AWS::ApiGatewayV2::Api",
        {"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"},
    )


def test_routes_share_one_integration_with_permission_to_invoke(template, stage):
    template.resource_count_is("AWS::ApiGatewayV2::Integration", 1)
    integration = one(template, "AWS::ApiGatewayV2::Integration", IntegrationType="AWS_PROXY")
    assert integration["TimeoutInMillis"] == 29_000
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    (authorizer,) = template.find_resources("AWS::ApiGatewayV2::Authorizer")
    sources = {
        text(permission["Properties"]["SourceArn"]).rpartition(":")[2]
        for permission in template.find_resources("AWS::Lambda::Permission").values()
    }
    assert sources == {f"<{api}>/{stage}/*", f"<{api}>/authorizers/<{authorizer}>"}


@pytest.mark.parametrize(
    "sources",
    [[], ["route.request.header.Authorization", "route.request.querystring.token", "context.identity.sourceIp"]],
)
def test_identity_sources_are_those_of_the_app(synthesize, chat, sources):
    chat["authorizer"]["identity-source"] = sources
    template = synthesize(chat)
    assert one(template, "AWS::ApiGatewayV2::Authorizer", AuthorizerType="REQUEST")["IdentitySource"] == sources


def test_an_app_without_an_authorizer_has_one_function(synthesize, chat):
    del chat["authorizer"]
    template = synthesize(chat)
    template.resource_count_is("AWS::ApiGatewayV2::Authorizer", 0)
    template.resource_count_is("AWS::Lambda::Function", 1)
    assert one(template, "AWS::ApiGatewayV2::Route", RouteKey="$connect")["AuthorizationType"] == "NONE"


def test_an_app_without_connect_and_disconnect_gets_both_routes(synthesize, chat):
    del chat["authorizer"], chat["routes"]["$connect"], chat["routes"]["$disconnect"]
    template = synthesize(chat)
    for key in ("$connect", "$disconnect"):
        route = one(template, "AWS::ApiGatewayV2::Route", RouteKey=key)
        assert route["AuthorizationType"] == "NONE"
        assert "RouteResponseSelectionExpression" not in route


def test_the_selection_expression_is_that_of_the_app(synthesize, chat):
    chat["route-selection-expression"] = "${request.body.kind}/${request.body.name}"
    api = one(synthesize(chat), "AWS::ApiGatewayV2::Api", ProtocolType="WEBSOCKET")
    assert api["RouteSelectionExpression"] == "${request.body.kind}/${request.body.name}"


def test_the_stage_has_throttling_metrics_and_access_logs(template, stage):
    limits = {"dev": (100, 200), "stage": (500, 1_000), "prod": (5_000, 2_500)}[stage]
    properties = one(template, "AWS::ApiGatewayV2::Stage", StageName=stage, AutoDeploy=True)
    assert properties["DefaultRouteSettings"] == {
        "DetailedMetricsEnabled": True,
        "ThrottlingRateLimit": limits[0],
        "ThrottlingBurstLimit": limits[1],
    }
    log = template.find_resources("AWS::Logs::LogGroup")[
        properties["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]
    ]
    assert log["Properties"]["RetentionInDays"] == RETENTION[stage]
    assert "$context.requestId" in properties["AccessLogSettings"]["Format"]


def test_access_logs_can_be_switched_off(synthesize, chat):
    template = synthesize(chat, access_logs="off")
    assert "AccessLogSettings" not in one(template, "AWS::ApiGatewayV2::Stage", StageName="dev")


def test_the_stack_does_not_set_the_role_of_the_account(template):
    template.resource_count_is("AWS::ApiGateway::Account", 0)


def test_the_routing_fingerprint_is_recorded(template, stage):
    template.has_output("Fingerprint", {"Value": FINGERPRINT})
    template.has_resource_properties(
        "AWS::SSM::Parameter",
        {"Name": f"/tidegate-stack/chat/{stage}/routing-fingerprint", "Value": FINGERPRINT},
    )


def test_outputs_name_urls_tables_and_logs(template, stage):
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    host = f"<{api}>.execute-api.<AWS::Region>.<AWS::URLSuffix>/{stage}"
    outputs = {name: text(output["Value"]) for name, output in template.find_outputs("*", Match.any_value()).items()}
    assert outputs["WebSocketUrl"] == f"wss://{host}"
    assert outputs["CallbackUrl"] == f"https://{host}"
    assert {"ConnectionsTable", "GroupsTable", "StorageTable", "HandlerLogs"} <= set(outputs)
