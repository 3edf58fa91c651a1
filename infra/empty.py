"""Empties the releases bucket of a stage that keeps no data: CloudFormation deletes no bucket that has something in it.

    python empty.py --stage dev --package chat.zip

Releases are gone with all their versions, so this is for a stack that is about to be deleted, or whose deletion failed.
Where the stage keeps data, the bucket outlives the stack, and this refuses.
"""

import argparse
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tidegate_stack.package import Package, PackageError
from tidegate_stack.stack import stack_name
from tidegate_stack.stages import STAGES


class EmptyError(Exception):
    """A bucket that was not emptied."""


def empty(session: boto3.Session, stack: str) -> tuple[str, int]:
    """Deletes every version of every object of the stack's bucket; its name, and how many there were.

    Raises EmptyError when there is none, or some were not deleted.
    """
    resources = session.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    name = next((it["PhysicalResourceId"] for it in resources if it["ResourceType"] == "AWS::S3::Bucket"), None)
    if not name:
        raise EmptyError(f"the stack `{stack}` has no bucket")
    answers = session.resource("s3").Bucket(name).object_versions.delete()
    if failed := [error for answer in answers for error in answer.get("Errors", [])]:
        raise EmptyError(f"deleting {len(failed)} objects of `{name}`: {failed[0]['Code']}, `{failed[0]['Key']}` first")
    return name, sum(len(answer.get("Deleted", [])) for answer in answers)


def main(arguments: list[str] | None = None) -> int:
    """Empties the bucket, or says why not."""
    parser = argparse.ArgumentParser(description="Empty the releases bucket of a stage that keeps no data.")
    parser.add_argument("--stage", required=True, choices=[stage.name for stage in STAGES.values()])
    parser.add_argument("--package", required=True, type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        if STAGES[given.stage].data_is_kept:
            raise EmptyError(f"`{given.stage}` keeps its releases; hint: the bucket outlives the stack, so leave it be")
        stack = stack_name(Package.read(given.package).app, STAGES[given.stage])
        name, count = empty(boto3.Session(), stack)
    except (PackageError, EmptyError, ClientError, BotoCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{name}: {count} versions deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
