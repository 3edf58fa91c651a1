"""The access log of a stage, and the account's role for it."""

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


# A class, because the CDK's Python binding refuses a plain dictionary.
@jsii.implements(IAccessLogSettings)
class AccessLog:
    """An access log in JSON, with one line for each event of a stage."""

    def __init__(self, log_group: LogGroup) -> None:
        self._destination = LogGroupLogDestination(log_group)
        self._format = AccessLogFormat.custom(json.dumps(FIELDS))

    @property
    def destination(self) -> LogGroupLogDestination:
        """The log group that receives the lines."""
        return self._destination

    @property
    def format(self) -> AccessLogFormat:
        """The format of a line: an object of `FIELDS`."""
        return self._format


class AccountStack(Stack):
    """The role that API Gateway writes access logs with, for the whole account in one Region.

    The owner of the account deploys this stack once. The role is kept when the stack is deleted, because other APIs in
    the account use it too.
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
