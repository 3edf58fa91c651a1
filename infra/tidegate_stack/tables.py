"""The tables of connections, groups and storage, and how every table is made.

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
        self.connections = passing_table(self, "Connections", "connection_id")
        self.groups = passing_table(self, "Groups", "group", "connection_id")
        self.storage = table(self, "Storage", "pk", "sk", time_to_live_attribute=TIME_TO_LIVE, **kept(stage))


def table(scope: Construct, name: str, partition: str, sort: str | None = None, **options) -> Table:
    """A table on demand, whose keys are text."""
    return Table(
        scope,
        name,
        partition_key=_text(partition),
        sort_key=sort and _text(sort),
        billing_mode=BillingMode.PAY_PER_REQUEST,
        **options,
    )


def passing_table(scope: Construct, name: str, partition: str, sort: str | None = None) -> Table:
    """A table whose items expire, and which goes with the stack."""
    return table(
        scope, name, partition, sort, time_to_live_attribute=TIME_TO_LIVE, removal_policy=RemovalPolicy.DESTROY
    )


def kept(stage: Stage) -> dict:
    """The options of a table that outlives the stack and its mistakes, where the stage keeps data."""
    return {
        "point_in_time_recovery_specification": PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=stage.data_is_kept
        ),
        "deletion_protection": stage.data_is_kept,
        "removal_policy": stage.removal_policy,
    }


def _text(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)
