"""The bucket and the two tables of releases."""

from aws_cdk import Duration
from aws_cdk.aws_iam import AnyPrincipal, Effect, PolicyStatement
from aws_cdk.aws_s3 import BlockPublicAccess, Bucket, BucketEncryption, LifecycleRule, ObjectOwnership
from constructs import Construct

from .stages import Stage
from .tables import expiring_table, retention_options, table

# Prefixes of the keys of signed releases, by id, and of artifacts, by digest.
RELEASES_PREFIX = "releases/"
ARTIFACTS_PREFIX = "artifacts/"

# Time in which a pruned release can be restored, by deleting its delete marker.
UNDO = Duration.days(30)
# Time after which S3 removes the parts of an unfinished upload.
UPLOAD = Duration.days(1)


class Releases(Construct):
    """The releases of an app in one stage.

    The bucket holds the immutable objects: signed releases and their artifacts. The table `pointers` holds the active
    release, the canary, and the history of both. The table `status` holds the reports of hosts for a month. The bucket
    and `pointers` outlive the stack in a stage that keeps data.

    In other stages they are deleted with the stack, but CloudFormation deletes only an empty bucket. The CDK's
    `auto_delete_objects` would add a function whose role may delete every release for as long as the stack exists.
    Instead an operator runs `make empty` before deleting the stack.
    """

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(scope, name)
        # Without a time to live: an expired pointer would roll back the app to the release of its package.
        self.pointers = table(self, "Pointers", "pk", "sk", **retention_options(stage))
        self.status = expiring_table(self, "Status", "pk", "sk")
        self.bucket = Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=BlockPublicAccess.BLOCK_ALL,
            object_ownership=ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=stage.removal_policy,
            lifecycle_rules=[
                LifecycleRule(
                    id="Pruned",
                    noncurrent_version_expiration=UNDO,
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=UPLOAD,
                )
            ],
        )
        self._forbid_overwriting(stage)

    def environment(self) -> dict[str, str]:
        """Returns the environment variables that name the tables and the bucket to a function."""
        return {
            "RELEASES_TABLE": self.pointers.table_name,
            "RELEASE_STATUS_TABLE": self.status.table_name,
            "RELEASES_BUCKET": self.bucket.bucket_name,
        }

    def _forbid_overwriting(self, stage: Stage) -> None:
        """Forbids every principal to replace an object, whatever other policies allow.

        A put must carry `If-None-Match`, for which S3 accepts only `*`. The requests that create and fill a multipart
        upload cannot carry the header, so they are exempt; the request that completes it can.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
        """
        self.bucket.add_to_resource_policy(
            PolicyStatement(
                sid="Immutable",
                effect=Effect.DENY,
                principals=[AnyPrincipal()],
                actions=["s3:PutObject"],
                resources=[self.bucket.arn_for_objects("*")],
                conditions={"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
            )
        )
        # A bucket that outlives the stack keeps its policy.
        self.bucket.policy.apply_removal_policy(stage.removal_policy)
