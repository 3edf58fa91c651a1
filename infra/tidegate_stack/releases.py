"""Where releases are kept: a bucket, and two tables."""

from aws_cdk import Duration
from aws_cdk.aws_iam import AnyPrincipal, Effect, PolicyStatement
from aws_cdk.aws_s3 import BlockPublicAccess, Bucket, BucketEncryption, LifecycleRule, ObjectOwnership
from constructs import Construct

from .stages import Stage
from .tables import kept, passing_table, table

# What keys begin with: signed releases by their id, and artifacts by their digest.
RELEASES_PREFIX = "releases/"
ARTIFACTS_PREFIX = "artifacts/"

# How long a release that was pruned can be brought back, by deleting the marker that stands for its deletion.
UNDO = Duration.days(30)
# How long an upload may take before its parts are removed.
UPLOAD = Duration.days(1)


class Releases(Construct):
    """The releases of an app in one stage.

    The bucket has what is immutable: signed releases, and their artifacts. `pointers` says which release is active, and
    keeps each change of that. `status` is what hosts report, for a month. The first two are kept where the stage keeps
    data.

    Elsewhere they go with the stack, but CloudFormation deletes no bucket that has something in it. The CDK's
    `auto_delete_objects` would empty it by a function with a runtime and a role of its own, which may delete every
    release as long as the stack lives. So an operator empties it, by `make empty`, before the stack is deleted.
    """

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(scope, name)
        # It has no time to live: a pointer that expired would be a rollback that nobody asked for.
        self.pointers = table(self, "Pointers", "pk", "sk", **kept(stage))
        self.status = passing_table(self, "Status", "pk", "sk")
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
        """How a function finds them."""
        return {
            "RELEASES_TABLE": self.pointers.table_name,
            "RELEASE_STATUS_TABLE": self.status.table_name,
            "RELEASES_BUCKET": self.bucket.bucket_name,
        }

    def _forbid_overwriting(self, stage: Stage) -> None:
        """Lets nobody, whatever their own policies say, put an object in another's place.

        A put must carry `If-None-Match`, of which S3 takes `*` only. Creating and filling a multipart upload cannot
        carry it, completing one can.

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
        # A bucket that is kept stays as it was.
        self.bucket.policy.apply_removal_policy(stage.removal_policy)
