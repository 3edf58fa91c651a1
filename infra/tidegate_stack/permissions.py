"""What the app's grants allow, as IAM statements.

The host checks every grant itself, for each route. The handler's role is the second wall: it allows what at least one
route was granted, what the host does to keep its registry, and nothing else. Statements have Sids, so that tests can
remove one at a time.
"""

import re
from collections.abc import Iterable

from aws_cdk import ArnFormat, Stack
from aws_cdk.aws_apigatewayv2 import WebSocketApi
from aws_cdk.aws_dynamodb import Table
from aws_cdk.aws_iam import PolicyStatement
from constructs import Construct

from .package import CONNECT, App, Grants
from .settings import SECRETS_MANAGER, Settings
from .stages import Stage
from .tables import Tables

# What each access to a collection needs. A transaction has no action of its own: DynamoDB checks that of each item.
STORAGE_ACTIONS = {
    "read": ("GetItem", "BatchGetItem", "Query", "ConditionCheckItem"),
    "write": ("PutItem", "DeleteItem"),
    "read-write": (
        "GetItem",
        "BatchGetItem",
        "Query",
        "ConditionCheckItem",
        "PutItem",
        "DeleteItem",
        "UpdateItem",
    ),
}


def handler_statements(
    scope: Construct, app: App, stage: Stage, tables: Tables, api: WebSocketApi, settings: Settings
) -> list[PolicyStatement]:
    """What the handler may do, logs and traces excepted."""
    grants = [route.grants for route in app.routes]
    return [
        _dynamodb("Connections", tables.connections, connections_actions(grants)),
        *_unless_empty("Groups", tables.groups, groups_actions(grants)),
        *storage_statements(tables.storage, grants),
        *_callback_statements(scope, app, stage, api),
        *config_statements(scope, app, stage, grants, settings),
    ]


def authorizer_statements(scope: Construct, app: App, stage: Stage, settings: Settings) -> list[PolicyStatement]:
    """What the authorizer may do, logs and traces excepted: read its configuration."""
    return config_statements(scope, app, stage, [app.authorizer.grants], settings) if app.authorizer else []


def connections_actions(grants: Iterable[Grants]) -> set[str]:
    """Actions on the connections table: the host's own registering and removing, and what the grants add."""
    actions = {"PutItem", "DeleteItem"}
    for grant in (grant.connections for grant in grants):
        if grant.get("describe"):
            actions.add("GetItem")
        if grant.get("list"):
            actions.add("Scan")
        if grant.get("attributes"):
            # Attributes are replaced on the condition that they are those that were read.
            actions |= {"GetItem", "UpdateItem"}
        if grant.get("groups"):
            # A group's name is kept with the connection, so joining and leaving update it.
            actions.add("UpdateItem")
    return actions


def groups_actions(grants: Iterable[Grants]) -> set[str]:
    """Actions on the groups table: none for an app without groups."""
    actions = set()
    for grant in grants:
        if grant.connections.get("groups"):
            # The host removes the memberships of a connection that has gone in batches.
            actions |= {"PutItem", "DeleteItem", "Query", "BatchWriteItem"}
        if grant.messaging.get("broadcast"):
            actions |= {"Query", "BatchWriteItem"}
    return actions


def storage_statements(table: Table, grants: Iterable[Grants]) -> list[PolicyStatement]:
    """One statement an access, each for the collections that some route has it for.

    Of a transaction or a batch every key must match, hence ForAllValues.
    """
    collections: dict[str, set[str]] = {}
    for grant in grants:
        for collection, access in grant.storage.items():
            collections.setdefault(access, set()).add(collection)
    return [
        PolicyStatement(
            sid="Storage" + "".join(word.capitalize() for word in access.split("-")),
            actions=[f"dynamodb:{action}" for action in STORAGE_ACTIONS[access]],
            resources=[table.table_arn],
            conditions={
                "ForAllValues:StringLike": {
                    "dynamodb:LeadingKeys": [leading_key(name) for name in sorted(collections[access])]
                }
            },
        )
        for access in STORAGE_ACTIONS
        if access in collections
    ]


def leading_key(collection: str) -> str:
    """The pattern of a collection's partition keys: its name as `host/aws/src/storage/row.rs` escapes it, and a `#`.

    What IAM would take for a wildcard or a variable is written as IAM's own variable for it.
    """
    name = collection.replace("%", "%25").replace("#", "%23")
    return re.sub(r"[*?$]", lambda mark: f"${{{mark.group()}}}", name) + "#*"


def callback_methods(app: App) -> set[str]:
    """The methods of `@connections` that the app's grants need."""
    methods = set()
    for route in app.routes:
        messaging = route.grants.messaging
        sends = messaging.get("send") or messaging.get("broadcast")
        if sends:
            methods.add("POST")
        if messaging.get("describe") or (sends and route.key == CONNECT):
            # What a `$connect` route sends to its own connection waits until GetConnection finds the socket open.
            methods.add("GET")
        if messaging.get("close"):
            methods.add("DELETE")
    return methods


def config_statements(
    scope: Construct, app: App, stage: Stage, grants: Iterable[Grants], settings: Settings
) -> list[PolicyStatement]:
    """Reading the granted configuration values, by name, of this stage only."""
    names = sorted({name for grant in grants for name in grant.config})
    if not names:
        return []
    of_secrets = settings.config_source == SECRETS_MANAGER
    arn = _secret_arn if of_secrets else _parameter_arn
    resources = [arn(Stack.of(scope), config_prefix(app, stage) + name) for name in names]
    action = "secretsmanager:GetSecretValue" if of_secrets else "ssm:GetParameters"
    statements = [PolicyStatement(sid="Config", actions=[action], resources=resources)]
    if settings.config_key:
        # AWS's own keys let every reader of a value decrypt it; another key does not.
        context = (
            {"StringLike": {"kms:EncryptionContext:SecretARN": resources}}
            if of_secrets
            else {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": resources}}
        )
        statements.append(
            PolicyStatement(
                sid="ConfigKey", actions=["kms:Decrypt"], resources=[settings.config_key], conditions=context
            )
        )
    return statements


def _parameter_arn(stack: Stack, name: str) -> str:
    # It has no second slash between `parameter` and a name that begins with one.
    return stack.format_arn(service="ssm", resource="parameter", resource_name=name[1:])


def _secret_arn(stack: Stack, name: str) -> str:
    # Secrets Manager puts a hyphen and six random characters after a secret's name.
    return stack.format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=f"{name}-??????",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def config_prefix(app: App, stage: Stage) -> str:
    """What the names of an app's configuration values in a stage begin with."""
    return f"/tidegate/{app.name}/{stage.name}/"


def _callback_statements(scope: Construct, app: App, stage: Stage, api: WebSocketApi) -> list[PolicyStatement]:
    stack = Stack.of(scope)
    resources = [
        stack.format_arn(
            service="execute-api",
            resource=api.api_id,
            resource_name=f"{stage.name}/{method}/@connections/*",
        )
        for method in sorted(callback_methods(app))
    ]
    if not resources:
        return []
    return [PolicyStatement(sid="Callback", actions=["execute-api:ManageConnections"], resources=resources)]


def _unless_empty(sid: str, table: Table, actions: set[str]) -> list[PolicyStatement]:
    return [_dynamodb(sid, table, actions)] if actions else []


def _dynamodb(sid: str, table: Table, actions: set[str]) -> PolicyStatement:
    return PolicyStatement(
        sid=sid, actions=[f"dynamodb:{action}" for action in sorted(actions)], resources=[table.table_arn]
    )
