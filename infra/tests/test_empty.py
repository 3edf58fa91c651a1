import boto3
import pytest
from botocore.stub import Stubber
from fixture_package import write_package

import empty

KEYS = ["releases/00ff00ff00ff00ff.json", "artifacts/" + "0f" * 32]


class Session:
    """An AWS that answers what it was told to, each once and in this order."""

    def __init__(self):
        options = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.cloudformation, self.s3 = boto3.client("cloudformation", **options), boto3.resource("s3", **options)
        self.stubs = [Stubber(self.cloudformation), Stubber(self.s3.meta.client)]

    def client(self, name):
        return {"cloudformation": self.cloudformation}[name]

    def resource(self, name):
        return {"s3": self.s3}[name]


@pytest.fixture
def session():
    """A stack `tidegate-chat-dev` with a bucket `kept-nothing` that has a version and a deletion's marker."""
    session = Session()
    cloudformation, s3 = session.stubs
    resource = {"LogicalResourceId": "x", "Timestamp": 0, "ResourceStatus": "CREATE_COMPLETE"}
    resources = [
        resource | {"ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": "table"},
        resource | {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": "kept-nothing"},
    ]
    asked = {"StackName": "tidegate-chat-dev"}
    cloudformation.add_response("describe_stack_resources", {"StackResources": resources}, asked)
    listed = {
        "Versions": [{"Key": KEYS[0], "VersionId": "1"}],
        "DeleteMarkers": [{"Key": KEYS[1], "VersionId": "2"}],
    }
    s3.add_response("list_object_versions", listed, {"Bucket": "kept-nothing"})
    for stub in session.stubs:
        stub.activate()
    return session


def answer(session, **answered):
    objects = [{"Key": key, "VersionId": version} for key, version in zip(KEYS, "12", strict=True)]
    asked = {"Bucket": "kept-nothing", "Delete": {"Objects": objects}}
    session.stubs[1].add_response("delete_objects", answered, asked)


def test_every_version_of_the_stacks_bucket_goes(session, monkeypatch, package, capsys):
    answer(session, Deleted=[{"Key": key} for key in KEYS])
    monkeypatch.setattr(boto3, "Session", lambda: session)
    assert empty.main(["--stage", "dev", "--package", str(package)]) == 0
    assert capsys.readouterr().out == "kept-nothing: 2 versions deleted\n"
    for stub in session.stubs:
        stub.assert_no_pending_responses()


def test_what_is_not_deleted_is_named(session):
    answer(session, Errors=[{"Key": KEYS[0], "Code": "AccessDenied"}])
    with pytest.raises(empty.EmptyError, match="deleting 1 objects of `kept-nothing`: AccessDenied, `releases/00ff"):
        empty.empty(session, "tidegate-chat-dev")


def test_a_stage_that_keeps_data_is_left_alone(monkeypatch, package, capsys):
    monkeypatch.setattr(boto3, "Session", lambda: pytest.fail("AWS was called"))
    assert empty.main(["--stage", "prod", "--package", str(package)]) == 1
    assert "error: `prod` keeps its releases" in capsys.readouterr().err


def test_a_file_that_is_no_package_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(boto3, "Session", lambda: pytest.fail("AWS was called"))
    package = write_package(tmp_path / "p.zip", **{"app.json": None})
    assert empty.main(["--stage", "dev", "--package", str(package)]) == 1
    assert "error: `" in capsys.readouterr().err


def test_a_stack_without_a_bucket_says_so():
    session = Session()
    session.stubs[0].add_response(
        "describe_stack_resources", {"StackResources": []}, {"StackName": "tidegate-chat-dev"}
    )
    session.stubs[0].activate()
    with pytest.raises(empty.EmptyError, match="`tidegate-chat-dev` has no bucket"):
        empty.empty(session, "tidegate-chat-dev")
