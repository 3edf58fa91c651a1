"""The tables of connections, groups and storage, and functions that make a table.

Keys and attribute names are those of `host/aws/src/tables.rs`; a test compares them.
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

# Attribute with the expiry of an item, in seconds since the Unix epoch; DynamoDB removes expired items.
TIME_TO_LIVE = "expires_at"


class Tables(Construct):
    """The three tables of an app in one stage, with on-demand capacity.

    Connections and groups describe open sockets, so they are deleted with the stack and never restored. Storage holds
    the documents of the app, and outlives the stack in a stage that keeps data.
    """

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(scope, name)
        self.connections = expiring_table(self, "Connections", "connection_id")
        self.groups = expiring_table(self, "Groups", "group", "connection_id")
        self.storage = table(
            self, "Storage", "pk", "sk", time_to_live_attribute=TIME_TO_LIVE, **retention_options(stage)
        )


def table(scope: Construct, name: str, partition: str, sort: str | None = None, **options) -> Table:
    """Adds a table with on-demand capacity, whose keys are strings."""
    return Table(
        scope,
        name,
        partition_key=_string_key(partition),
        sort_key=sort and _string_key(sort),
        billing_mode=BillingMode.PAY_PER_REQUEST,
        **options,
    )


def expiring_table(scope: Construct, name: str, partition: str, sort: str | None = None) -> Table:
    """Adds a table whose items expire, and which is deleted with the stack."""
    return table(
        scope, name, partition, sort, time_to_live_attribute=TIME_TO_LIVE, removal_policy=RemovalPolicy.DESTROY
    )


def retention_options(stage: Stage) -> dict:
    """Returns the options that protect a table against deletion and restore it, if the stage keeps data."""
    return {
        "point_in_time_recovery_specification": PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=stage.keeps_data
        ),
        "deletion_protection": stage.keeps_data,
        "removal_policy": stage.removal_policy,
    }


def _string_key(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)
