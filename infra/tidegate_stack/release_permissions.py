"""The IAM statements of hosts, publishers and activators of releases.

Hosts read releases and write only the status. A publisher cannot activate, and an activator cannot publish. Statements
have Sids, so that tests can remove one at a time.

All three may list the bucket. Without `s3:ListBucket`, S3 answers a request for a missing object with 403 instead of
404, and a pointer to a missing release would look like a wrong policy. The permission has no condition on the prefix,
because a request for an object has no prefix and would fail the condition. Listing reveals only the names of objects
that all three may read.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from aws_cdk import Stack
from aws_cdk.aws_dynamodb import Table
from aws_cdk.aws_iam import ManagedPolicy, PolicyStatement
from aws_cdk.aws_s3 import Bucket

from .releases import ARTIFACTS_PREFIX, RELEASES_PREFIX, Releases


def host_statements(releases: Releases) -> list[PolicyStatement]:
    """Returns the statements of both functions: read the pointer, read and write the status, and load releases."""
    return [
        _table("ReleasePointer", releases.pointers, "GetItem"),
        _table("ReleaseStatus", releases.status, "GetItem", "PutItem", "UpdateItem"),
        _objects("ReleaseObjects", releases.bucket, "GetObject"),
        _list("ReleaseBucket", releases.bucket),
    ]


class PublishPolicy(ManagedPolicy):
    """The policy of a publisher: a pipeline that stores releases and cannot change which release runs."""

    def __init__(self, releases: Releases, *, title: str) -> None:
        super().__init__(
            releases,
            "Publish",
            description=f"Publish releases of {title}",
            statements=[
                _stack(Stack.of(releases)),
                # Publishing compares an existing object with the one to store.
                _objects("Objects", releases.bucket, "GetObject"),
                _objects("NewObjects", releases.bucket, "PutObject"),
                _list("Bucket", releases.bucket),
            ],
        )


class ActivatePolicy(ManagedPolicy):
    """The policy of an activator: moves the pointer among stored releases, and prunes releases.

    A put in a transaction needs PutItem, and its condition needs no further action. IAM cannot distinguish a new item
    of the history from a replaced one; the condition of the command does. A pruned release can be restored for a while,
    because the policy lacks `s3:DeleteObjectVersion`.
    """

    def __init__(self, releases: Releases, *, title: str) -> None:
        super().__init__(
            releases,
            "Activate",
            description=f"Activate releases of {title}",
            statements=[
                _stack(Stack.of(releases)),
                _table("Pointer", releases.pointers, "GetItem", "PutItem", "Query"),
                _table("Status", releases.status, "GetItem", "Query"),
                _objects("Objects", releases.bucket, "GetObject", "DeleteObject"),
                _list("Bucket", releases.bucket),
            ],
        )


def _stack(stack: Stack) -> PolicyStatement:
    """Allows reading the stack's outputs, which name the tables and the bucket, and its template with the app."""
    return PolicyStatement(
        sid="Stack",
        actions=["cloudformation:DescribeStacks", "cloudformation:GetTemplate"],
        # CloudFormation chooses the last part of the ARN, which a caller that names the stack does not know.
        resources=[stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*")],
    )


def _table(sid: str, table: Table, *actions: str) -> PolicyStatement:
    return PolicyStatement(sid=sid, actions=[f"dynamodb:{action}" for action in actions], resources=[table.table_arn])


def _objects(sid: str, bucket: Bucket, *actions: str) -> PolicyStatement:
    """Allows actions on releases and artifacts."""
    return PolicyStatement(
        sid=sid,
        actions=[f"s3:{action}" for action in actions],
        resources=[bucket.arn_for_objects(f"{prefix}*") for prefix in (RELEASES_PREFIX, ARTIFACTS_PREFIX)],
    )


def _list(sid: str, bucket: Bucket) -> PolicyStatement:
    return PolicyStatement(sid=sid, actions=["s3:ListBucket"], resources=[bucket.bucket_arn])
