"""The tables: connections, groups and storage.

Keys and attribute names are those of `host/aws/src/tables.rs`, which a test compares.
"""

from aws_cdk import RemovalPolicy
from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    Table,
)
from constructs import Construct

from .stages import Stage

# The attribute by which DynamoDB removes what has expired: seconds since the epoch.
TIME_TO_LIVE = "expires_at"


class Tables(Construct):
    """The three tables of an app in one stage, on demand.

    Connections and groups describe sockets that are open now, so they go with the stack and are never restored; storage
    holds what the app has written, and is kept where the stage keeps data.
    """

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(scope, name)
        self.connections = self._table("Connections", "connection_id")
        self.groups = self._table("Groups", "group", "connection_id")
        self.storage = self._table(
            "Storage",
            "pk",
            "sk",
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=stage.data_is_kept
            ),
            deletion_protection=stage.data_is_kept,
            removal_policy=stage.removal_policy,
        )

    def _table(self, name: str, partition: str, sort: str | None = None, **options) -> Table:
        return Table(
            self,
            name,
            partition_key=_text(partition),
            sort_key=sort and _text(sort),
            billing_mode=BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=TIME_TO_LIVE,
            **({"removal_policy": RemovalPolicy.DESTROY} | options),
        )


def _text(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)
