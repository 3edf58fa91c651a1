"""The cdk-nag findings that are accepted, with their reasons."""

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from .access_logs import AccountStack
from .permissions import callback_methods
from .releases import ARTIFACTS_PREFIX, RELEASES_PREFIX
from .stack import AppStack

# Beginning of the ARN of a service's resource in cdk-nag's notation, which puts references in angle brackets.
REGIONAL = "arn:<AWS::Partition>:{}:<AWS::Region>:<AWS::AccountId>"


def add_nag_checks(app: App) -> None:
    """Makes the synthesis of `app` fail at every cdk-nag finding that is not acknowledged below."""
    Validations.of(app).add_plugins(AwsSolutionsChecks())


def acknowledge_stack(stack: AppStack) -> None:
    """Acknowledges the accepted findings in an app's stack."""
    tables, releases = stack.tables, stack.releases
    for table in (tables.connections, tables.groups):
        _acknowledge(table, "DDB3", "Its items describe open sockets; restored items would describe closed ones.")
    _acknowledge(
        releases.status, "DDB3", "Its items describe the present state of hosts; restored items would be outdated."
    )
    if not stack.stage_settings.keeps_data:
        for table in (tables.storage, releases.pointers):
            _acknowledge(table, "DDB3", "Only prod keeps data; the data of this stage may be lost.")
    _acknowledge_releases(stack)
    for function in filter(None, (stack.handler, stack.authorizer)):
        _acknowledge(function, "IAM5[Resource::*]", "X-Ray has no resources, so its two actions need `*`.")
    for resource in _callback_resources(stack):
        _acknowledge(
            stack.handler,
            f"IAM5[Resource::{resource}]",
            "API Gateway chooses the id of a connection; `*` stands for it below one API, stage and method.",
        )
    _acknowledge(
        stack.api,
        "APIG4",
        "API Gateway authorizes WebSocket APIs at `$connect` only, and an app may have no authorizer.",
    )
    if not stack.settings.access_logs:
        _acknowledge(stack.api, "APIG1", "Access logs are switched off, because the account has no role for them.")


def acknowledge_account(stack: AccountStack) -> None:
    """Acknowledges the accepted findings in the account's stack."""
    _acknowledge(
        stack,
        "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
        "AWS maintains this policy for exactly this role; API Gateway chooses the names of its log groups.",
    )


def _acknowledge_releases(stack: AppStack) -> None:
    releases, policies = stack.releases, (stack.publish_policy, stack.activate_policy)
    _acknowledge(
        releases.bucket,
        "S1",
        "Objects are never overwritten, and the history records each change; a log would need another bucket.",
    )
    for policy in policies:
        _acknowledge(
            policy,
            f"IAM5[Resource::{REGIONAL.format('cloudformation')}:stack/{stack.stack_name}/*]",
            "CloudFormation chooses the last part of a stack's ARN; `*` stands for it after the stack's name.",
        )
    bucket = stack.get_logical_id(releases.bucket.node.default_child)
    for scope in filter(None, (stack.handler, stack.authorizer, *policies)):
        for prefix in (RELEASES_PREFIX, ARTIFACTS_PREFIX):
            _acknowledge(
                scope,
                f"IAM5[Resource::<{bucket}.Arn>/{prefix}*]",
                "Releases and artifacts are named by their content; `*` stands for the name after the prefix.",
            )


def _callback_resources(stack: AppStack) -> list[str]:
    """Returns the `@connections` resources in cdk-nag's notation."""
    api = stack.get_logical_id(stack.api.api.node.default_child)
    prefix = f"{REGIONAL.format('execute-api')}:<{api}>"
    methods = sorted(callback_methods(stack.app))
    return [f"{prefix}/{stack.stage_settings.name}/{method}/@connections/*" for method in methods]


def _acknowledge(scope: IConstruct, finding: str, reason: str) -> None:
    Validations.of(scope).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))
