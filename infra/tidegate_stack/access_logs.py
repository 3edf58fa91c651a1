"""A stage's access log, and the account's role for it."""

import json

import jsii
from aws_cdk import RemovalPolicy, Stack
from aws_cdk.aws_apigateway import AccessLogFormat, CfnAccount
from aws_cdk.aws_apigatewayv2 import IAccessLogSettings, LogGroupLogDestination
from aws_cdk.aws_iam import ManagedPolicy, Role, ServicePrincipal
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

# https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
FIELDS = {
    "time": "$context.requestTime",
    "requestId": "$context.requestId",
    "eventType": "$context.eventType",
    "route": "$context.routeKey",
    "connectionId": "$context.connectionId",
    "sourceIp": "$context.identity.sourceIp",
    "status": "$context.status",
    "error": "$context.error.message",
    "authorizerError": "$context.authorizer.error",
    "integrationStatus": "$context.integration.status",
    "integrationLatency": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
}


# The CDK's Python binding refuses a plain dictionary here.
@jsii.implements(IAccessLogSettings)
class AccessLog:
    """One line of JSON for every event of a stage, into a log group."""

    def __init__(self, log_group: LogGroup) -> None:
        self._destination = LogGroupLogDestination(log_group)
        self._format = AccessLogFormat.custom(json.dumps(FIELDS))

    @property
    def destination(self) -> LogGroupLogDestination:
        """Where the lines go."""
        return self._destination

    @property
    def format(self) -> AccessLogFormat:
        """What a line says."""
        return self._format


class AccountStack(Stack):
    """The role with which API Gateway writes access logs, for the whole account in one Region.

    It is set once, by whoever owns the account, and kept when the stack goes: other APIs depend on it too.
    """

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name, description="The role with which API Gateway writes logs in this Region")
        role = Role(
            self,
            "Role",
            assumed_by=ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
            ],
        )
        role.apply_removal_policy(RemovalPolicy.RETAIN)
        account = CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        account.apply_removal_policy(RemovalPolicy.RETAIN)
