"""The cdk-nag findings that are meant to be, with their reasons."""

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from .access_logs import AccountStack
from .permissions import callback_methods
from .releases import ARTIFACTS_PREFIX, RELEASES_PREFIX
from .stack import AppStack

# What the ARN of a service's resource begins with, as cdk-nag spells it: a reference in angle brackets.
REGIONAL = "arn:<AWS::Partition>:{}:<AWS::Region>:<AWS::AccountId>"


def check(app: App) -> None:
    """Lets cdk-nag stop the synthesis of `app` at every finding that is not acknowledged below."""
    Validations.of(app).add_plugins(AwsSolutionsChecks())


def acknowledge_stack(stack: AppStack) -> None:
    """Acknowledges what is meant to be in an app's stack."""
    tables, releases = stack.tables, stack.releases
    for table in (tables.connections, tables.groups):
        _acknowledge(table, "DDB3", "Its items describe sockets that are open now; restored ones would be closed.")
    _acknowledge(releases.status, "DDB3", "Its items say what hosts see now; restored ones would be of another time.")
    if not stack.stage_settings.data_is_kept:
        for table in (tables.storage, releases.pointers):
            _acknowledge(table, "DDB3", "Only prod keeps data; this stage's can be lost.")
    _acknowledge_releases(stack)
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


def _acknowledge_releases(stack: AppStack) -> None:
    releases, policies = stack.releases, (stack.publish_policy, stack.activate_policy)
    _acknowledge(
        releases.bucket,
        "S1",
        "Nothing in it is overwritten, and the history says who changed what runs; a log would need its own bucket.",
    )
    for policy in policies:
        _acknowledge(
            policy,
            f"IAM5[Resource::{REGIONAL.format('cloudformation')}:stack/{stack.stack_name}/*]",
            "CloudFormation chooses the last part of a stack's ARN, so `*` stands for it after the stack's name.",
        )
    bucket = stack.get_logical_id(releases.bucket.node.default_child)
    for scope in filter(None, (stack.handler, stack.authorizer, *policies)):
        for prefix in (RELEASES_PREFIX, ARTIFACTS_PREFIX):
            _acknowledge(
                scope,
                f"IAM5[Resource::<{bucket}.Arn>/{prefix}*]",
                "Releases and artifacts are named by their content, so `*` stands for that after their prefix.",
            )


def _callback_resources(stack: AppStack) -> list[str]:
    """The `@connections` resources as cdk-nag spells them."""
    api = stack.get_logical_id(stack.api.api.node.default_child)
    prefix = f"{REGIONAL.format('execute-api')}:<{api}>"
    methods = sorted(callback_methods(stack.app))
    return [f"{prefix}/{stack.stage_settings.name}/{method}/@connections/*" for method in methods]


def _acknowledge(scope: IConstruct, finding: str, reason: str) -> None:
    Validations.of(scope).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))
