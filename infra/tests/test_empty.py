import re

import boto3
import pytest
from botocore.stub import Stubber
from fixture_package import write_package

import empty
from tidegate_stack.errors import Code, StackError

KEYS = ["releases/00ff00ff00ff00ff.json", "artifacts/" + "0f" * 32]


class Session:
    """A session of boto3 with stubbed responses, each used once and in order."""

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
    """A stack `tidegate-chat-dev` with a bucket `releases-bucket` that has one version and one delete marker."""
    session = Session()
    cloudformation, s3 = session.stubs
    resource = {"LogicalResourceId": "x", "Timestamp": 0, "ResourceStatus": "CREATE_COMPLETE"}
    resources = [
        resource | {"ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": "table"},
        resource | {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": "releases-bucket"},
    ]
    expected = {"StackName": "tidegate-chat-dev"}
    cloudformation.add_response("describe_stack_resources", {"StackResources": resources}, expected)
    versions = {
        "Versions": [{"Key": KEYS[0], "VersionId": "1"}],
        "DeleteMarkers": [{"Key": KEYS[1], "VersionId": "2"}],
    }
    s3.add_response("list_object_versions", versions, {"Bucket": "releases-bucket"})
    for stub in session.stubs:
        stub.activate()
    return session


def stub_deletion(session, **response):
    objects = [{"Key": key, "VersionId": version} for key, version in zip(KEYS, "12", strict=True)]
    expected = {"Bucket": "releases-bucket", "Delete": {"Objects": objects}}
    session.stubs[1].add_response("delete_objects", response, expected)


def printed_code(capsys) -> str:
    return re.match(r"error\[([^]]+)\]: ", capsys.readouterr().err).group(1)


def test_every_version_in_the_bucket_is_deleted(session, monkeypatch, package, capsys):
    stub_deletion(session, Deleted=[{"Key": key} for key in KEYS])
    monkeypatch.setattr(boto3, "Session", lambda: session)
    assert empty.main(["--stage", "dev", "--package", str(package)]) == 0
    assert capsys.readouterr().out == "releases-bucket: 2 versions deleted\n"
    for stub in session.stubs:
        stub.assert_no_pending_responses()


def test_an_object_that_is_not_deleted_is_named(session):
    stub_deletion(session, Errors=[{"Key": KEYS[0], "Code": "AccessDenied"}])
    with pytest.raises(StackError) as error:
        empty.empty(session, "tidegate-chat-dev")
    assert error.value.code == Code.OBJECTS_NOT_DELETED
    for value in ("1 ", "`releases-bucket`", "AccessDenied", f"`{KEYS[0]}`"):
        assert value in error.value.why


def test_a_stage_that_keeps_data_is_refused(monkeypatch, package, capsys):
    monkeypatch.setattr(boto3, "Session", lambda: pytest.fail("AWS was called"))
    assert empty.main(["--stage", "prod", "--package", str(package)]) == 1
    assert printed_code(capsys) == Code.DATA_KEPT


def test_an_invalid_package_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(boto3, "Session", lambda: pytest.fail("AWS was called"))
    package = write_package(tmp_path / "p.zip", **{"app.json": None})
    assert empty.main(["--stage", "dev", "--package", str(package)]) == 1
    assert printed_code(capsys) == Code.PACKAGE_INVALID


def test_a_stack_without_a_bucket_is_refused():
    session = Session()
    session.stubs[0].add_response(
        "describe_stack_resources", {"StackResources": []}, {"StackName": "tidegate-chat-dev"}
    )
    session.stubs[0].activate()
    with pytest.raises(StackError) as error:
        empty.empty(session, "tidegate-chat-dev")
    assert error.value.code == Code.BUCKET_MISSING
    assert "`tidegate-chat-dev`" in error.value.what


def test_an_error_of_aws_is_printed(monkeypatch, package, capsys):
    session = Session()
    session.stubs[0].add_client_error("describe_stack_resources", "ExpiredToken")
    session.stubs[0].activate()
    monkeypatch.setattr(boto3, "Session", lambda: session)
    assert empty.main(["--stage", "dev", "--package", str(package)]) == 1
    assert printed_code(capsys) == Code.AWS_FAILED
