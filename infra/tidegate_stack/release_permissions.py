"""Who may do what with releases, as IAM statements: hosts, who publishes, and who activates.

Hosts read releases and write only the status. Who publishes cannot activate, and who activates cannot publish.
Statements have Sids, so that tests can remove one at a time.

Everybody may list the bucket: without that, S3 says of a missing object what it says of a forbidden one, and a pointer
to a release that is not there would look like a wrong policy. There is no condition on the prefix, because a request
for an object has none, so the condition would fail just where it matters. What listing shows besides is the names of
objects, each of which its holders may read.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from aws_cdk import Stack
from aws_cdk.aws_dynamodb import Table
from aws_cdk.aws_iam import ManagedPolicy, PolicyStatement
from aws_cdk.aws_s3 import Bucket

from .releases import ARTIFACTS_PREFIX, RELEASES_PREFIX, Releases


def host_statements(releases: Releases) -> list[PolicyStatement]:
    """What both functions may do: see which release runs and whether its canary was halted, load it, and report."""
    return [
        _table("ReleasePointer", releases.pointers, "GetItem"),
        _table("ReleaseStatus", releases.status, "GetItem", "PutItem", "UpdateItem"),
        _objects("ReleaseObjects", releases.bucket, "GetObject"),
        _list("ReleaseBucket", releases.bucket),
    ]


class PublishPolicy(ManagedPolicy):
    """Storing releases: for a pipeline, which need not be trusted with what runs."""

    def __init__(self, releases: Releases, *, title: str) -> None:
        super().__init__(
            releases,
            "Publish",
            description=f"Publish releases of {title}",
            statements=[
                _stack(Stack.of(releases)),
                # What is there already is compared with what was to be stored.
                _objects("Objects", releases.bucket, "GetObject"),
                _objects("NewObjects", releases.bucket, "PutObject"),
                _list("Bucket", releases.bucket),
            ],
        )


class ActivatePolicy(ManagedPolicy):
    """Moving the pointer among the releases that are stored, and pruning the others.

    A put in a transaction needs PutItem, its condition nothing more. IAM cannot tell a new item of the history from one
    that overwrites another; the command does, by that condition. What is deleted can be brought back for a while: only
    with `s3:DeleteObjectVersion` would it be gone.
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
    """Reading the stack's outputs, which name tables and bucket, and its template, which has the app."""
    return PolicyStatement(
        sid="Stack",
        actions=["cloudformation:DescribeStacks", "cloudformation:GetTemplate"],
        # CloudFormation chooses the last part, which who asks by name does not know.
        resources=[stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*")],
    )


def _table(sid: str, table: Table, *actions: str) -> PolicyStatement:
    return PolicyStatement(sid=sid, actions=[f"dynamodb:{action}" for action in actions], resources=[table.table_arn])


def _objects(sid: str, bucket: Bucket, *actions: str) -> PolicyStatement:
    """Actions on releases and artifacts."""
    return PolicyStatement(
        sid=sid,
        actions=[f"s3:{action}" for action in actions],
        resources=[bucket.arn_for_objects(f"{prefix}*") for prefix in (RELEASES_PREFIX, ARTIFACTS_PREFIX)],
    )


def _list(sid: str, bucket: Bucket) -> PolicyStatement:
    return PolicyStatement(sid=sid, actions=["s3:ListBucket"], resources=[bucket.bucket_arn])
