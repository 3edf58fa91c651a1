"""The cdk-nag findings that are meant to be, with their reasons."""

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from .access_logs import AccountStack
from .permissions import callback_methods
from .stack import AppStack


def check(app: App) -> None:
    """Lets cdk-nag stop the synthesis of `app` at every finding that is not acknowledged below."""
    Validations.of(app).add_plugins(AwsSolutionsChecks())


def acknowledge_stack(stack: AppStack) -> None:
    """Acknowledges what is meant to be in an app's stack."""
    tables = stack.tables
    for table in (tables.connections, tables.groups):
        _acknowledge(table, "DDB3", "Its items describe sockets that are open now; restored ones would be closed.")
    if not stack.stage_settings.data_is_kept:
        _acknowledge(tables.storage, "DDB3", "Only prod keeps data; this stage's can be lost.")
    for function in filter(None, (stack.handler, stack.authorizer)):
        _acknowledge(function, "IAM5[Resource::*]", "X-Ray has no resources to name, so its two actions take `*`.")
    for resource in _callback_resources(stack):
        _acknowledge(
            stack.handler,
            f"IAM5[Resource::{resource}]",
            "API Gateway chooses a connection's id, so `*` stands for it below one API, stage and method.",
        )
    _acknowledge(
        stack.api, "APIG4", "API Gateway authorizes WebSocket APIs at `$connect` only; the manifest decides whether."
    )
    if not stack.settings.access_logs:
        _acknowledge(stack.api, "APIG1", "Access logs were switched off: the account has no role for them.")


def acknowledge_account(stack: AccountStack) -> None:
    """Acknowledges what is meant to be in the account's stack."""
    _acknowledge(
        stack,
        "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
        "AWS maintains this policy for exactly this role; API Gateway creates log groups under names of its own.",
    )


def _callback_resources(stack: AppStack) -> list[str]:
    """The `@connections` resources as cdk-nag spells them, a reference in angle brackets."""
    api = stack.get_logical_id(stack.api.api.node.default_child)
    prefix = f"arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<{api}>"
    methods = sorted(callback_methods(stack.app))
    return [f"{prefix}/{stack.stage_settings.name}/{method}/@connections/*" for method in methods]


def _acknowledge(scope: IConstruct, finding: str, reason: str) -> None:
    Validations.of(scope).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))
