"""The IAM statements that follow from the app's grants.

The host checks every grant itself, for each route. The handler's role is the second line of defence: it allows the
union of the routes' grants and the registry of the host, and nothing else. Statements have Sids, so that tests can
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

# Actions of each kind of access to a collection. A transaction needs the actions of its items and nothing else.
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
    """Returns the statements of the handler, without those for logs and traces."""
    grants = [route.grants for route in app.routes]
    return [
        _dynamodb("Connections", tables.connections, connections_actions(grants)),
        *_unless_empty("Groups", tables.groups, groups_actions(grants)),
        *storage_statements(tables.storage, grants),
        *_callback_statements(scope, app, stage, api),
        *config_statements(scope, app, stage, grants, settings),
    ]


def authorizer_statements(scope: Construct, app: App, stage: Stage, settings: Settings) -> list[PolicyStatement]:
    """Returns the statements of the authorizer, without those for logs and traces: reading its configuration."""
    return config_statements(scope, app, stage, [app.authorizer.grants], settings) if app.authorizer else []


def connections_actions(grants: Iterable[Grants]) -> set[str]:
    """Returns the actions on the connections table: those of the host's registry, and those of the grants."""
    actions = {"PutItem", "DeleteItem"}
    for grant in (grant.connections for grant in grants):
        if grant.get("describe"):
            actions.add("GetItem")
        if grant.get("list"):
            actions.add("Scan")
        if grant.get("attributes"):
            # The host reads attributes, and replaces them on the condition that they are unchanged.
            actions |= {"GetItem", "UpdateItem"}
        if grant.get("groups"):
            # The connection's item lists its groups, so joining and leaving update it.
            actions.add("UpdateItem")
    return actions


def groups_actions(grants: Iterable[Grants]) -> set[str]:
    """Returns the actions on the groups table, none for an app without groups."""
    actions = set()
    for grant in grants:
        if grant.connections.get("groups"):
            # The host removes the memberships of a closed connection in batches.
            actions |= {"PutItem", "DeleteItem", "Query", "BatchWriteItem"}
        if grant.messaging.get("broadcast"):
            actions |= {"Query", "BatchWriteItem"}
    return actions


def storage_statements(table: Table, grants: Iterable[Grants]) -> list[PolicyStatement]:
    """Returns one statement for each kind of access, with the collections that at least one route may access.

    The condition uses ForAllValues, because every key of a transaction or a batch must match.
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
    """Returns the IAM pattern of a collection's partition keys.

    A partition key begins with the collection's name, escaped as in `host/aws/src/storage/row.rs`, and a `#`. IAM's
    wildcards and `$` are replaced by IAM's variables for these characters.
    """
    name = collection.replace("%", "%25").replace("#", "%23")
    return re.sub(r"[*?$]", lambda mark: f"${{{mark.group()}}}", name) + "#*"


def callback_methods(app: App) -> set[str]:
    """Returns the methods of `@connections` that the app's grants need."""
    methods = set()
    for route in app.routes:
        messaging = route.grants.messaging
        sends = messaging.get("send") or messaging.get("broadcast")
        if sends:
            methods.add("POST")
        if messaging.get("describe") or (sends and route.key == CONNECT):
            # The host delivers a `$connect` route's messages to its own connection once GetConnection finds it open.
            methods.add("GET")
        if messaging.get("close"):
            methods.add("DELETE")
    return methods


def config_statements(
    scope: Construct, app: App, stage: Stage, grants: Iterable[Grants], settings: Settings
) -> list[PolicyStatement]:
    """Returns the statements for reading the granted configuration values of this stage, by name."""
    names = sorted({name for grant in grants for name in grant.config})
    if not names:
        return []
    of_secrets = settings.config_source == SECRETS_MANAGER
    arn = _secret_arn if of_secrets else _parameter_arn
    resources = [arn(Stack.of(scope), config_prefix(app, stage) + name) for name in names]
    action = "secretsmanager:GetSecretValue" if of_secrets else "ssm:GetParameters"
    statements = [PolicyStatement(sid="Config", actions=[action], resources=resources)]
    if settings.config_key:
        # AWS managed keys allow every reader of a value to decrypt it; a customer managed key does not.
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
    # The name begins with a slash, and `format_arn` adds one.
    return stack.format_arn(service="ssm", resource="parameter", resource_name=name[1:])


def _secret_arn(stack: Stack, name: str) -> str:
    # Secrets Manager appends a hyphen and six random characters to a secret's name.
    return stack.format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=f"{name}-??????",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def config_prefix(app: App, stage: Stage) -> str:
    """Returns the prefix of the names of an app's configuration values in a stage."""
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
