"""Empties the releases bucket of a stage that keeps no data, because CloudFormation deletes only empty buckets.

    python empty.py --stage dev --package chat.zip

Every version of every release is deleted, so run this only for a stack that is about to be deleted, or whose deletion
failed. In a stage that keeps data the bucket outlives the stack, and this command refuses to run.
"""

import argparse
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tidegate_stack.errors import Code, StackError
from tidegate_stack.package import Package
from tidegate_stack.stack import stack_name
from tidegate_stack.stages import STAGES


def empty(session: boto3.Session, stack: str) -> tuple[str, int]:
    """Deletes every version of every object in the stack's bucket.

    Returns the name of the bucket and the number of deleted versions. Raises StackError if the stack has no bucket, or
    if objects are left.
    """
    what = f"cannot empty the bucket of the stack `{stack}`"
    resources = session.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    ids = [one.get("PhysicalResourceId") for one in resources if one["ResourceType"] == "AWS::S3::Bucket"]
    bucket = next(filter(None, ids), None)
    if not bucket:
        raise StackError(
            Code.BUCKET_MISSING, what, "the stack has no bucket", "check the stage and the package, then run destroy"
        )
    responses = session.resource("s3").Bucket(bucket).object_versions.delete()
    if errors := [error for response in responses for error in response.get("Errors", [])]:
        first = f"`{errors[0]['Key']}`: {errors[0]['Code']}"
        raise StackError(
            Code.OBJECTS_NOT_DELETED,
            what,
            f"S3 did not delete {len(errors)} of the objects in `{bucket}`; the first is {first}",
            "use credentials with `s3:DeleteObjectVersion` on the bucket, then run the command again",
        )
    return bucket, sum(len(response.get("Deleted", [])) for response in responses)


def run(stage_name: str, package: Path) -> tuple[str, int]:
    """Empties the bucket of an app's stack in one stage; returns its name and the number of deleted versions.

    Raises StackError.
    """
    stage = STAGES[stage_name]
    what = f"cannot empty the bucket of the stage `{stage.name}`"
    if stage.keeps_data:
        raise StackError(
            Code.DATA_KEPT,
            what,
            "the stage keeps its releases when the stack is deleted",
            "run destroy; the bucket stays, and can be emptied in the S3 console",
        )
    stack = stack_name(Package.read(package).app, stage)
    try:
        return empty(boto3.Session(), stack)
    except (ClientError, BotoCoreError) as error:
        hint = "check the credentials and the Region in the environment, and that the stack is deployed"
        raise StackError(Code.AWS_FAILED, what, str(error), hint) from None


def main(arguments: list[str] | None = None) -> int:
    """Empties the bucket, or prints the error; returns the exit status."""
    parser = argparse.ArgumentParser(description="Empty the releases bucket of a stage that keeps no data.")
    parser.add_argument("--stage", required=True, choices=list(STAGES))
    parser.add_argument("--package", required=True, type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        name, count = run(given.stage, given.package)
    except StackError as error:
        print(error.render(), file=sys.stderr)
        return 1
    print(f"{name}: {count} versions deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
