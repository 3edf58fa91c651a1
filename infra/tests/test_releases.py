"""Tests of the bucket and the tables of releases, their policies and their outputs."""

import json

import pytest
from aws_cdk.assertions import Match
from fixture_package import CHAT
from templates import actions, function, one, resources, statements, text


@pytest.fixture
def bucket(template) -> str:
    """Returns the bucket's logical id."""
    (name,) = template.find_resources("AWS::S3::Bucket")
    return name


@pytest.fixture
def names(template) -> dict[str, str]:
    """Returns the logical ids of the bucket and the tables, by environment variable."""
    variables = function(template, "handler")["Environment"]["Variables"]
    return {name: value["Ref"] for name, value in variables.items() if name.startswith("RELEASE")}


def outputs(template) -> dict:
    return {name: output["Value"] for name, output in template.find_outputs("*", Match.any_value()).items()}


def policy(template, output: str) -> dict[str, tuple[set[str], list[str], dict]]:
    """Returns the actions, resources and conditions of the policy in an output, by Sid."""
    found = template.find_resources("AWS::IAM::ManagedPolicy")[outputs(template)[output]["Ref"]]["Properties"]
    assert all(statement["Effect"] == "Allow" for statement in found["PolicyDocument"]["Statement"])
    return {statement["Sid"]: allowed(statement) for statement in found["PolicyDocument"]["Statement"]}


def allowed(statement: dict) -> tuple[set[str], list[str], dict]:
    return actions(statement), resources(statement), statement.get("Condition", {})


def objects(bucket: str) -> list[str]:
    return [f"<{bucket}.Arn>/releases/*", f"<{bucket}.Arn>/artifacts/*"]


def test_the_bucket_is_versioned_encrypted_and_private(template, bucket, stage):
    resource = template.find_resources("AWS::S3::Bucket")[bucket]
    properties = resource["Properties"]
    (policy,) = template.find_resources("AWS::S3::BucketPolicy").values()
    for kept in (resource, policy):
        assert kept["DeletionPolicy"] == kept["UpdateReplacePolicy"] == ("Retain" if stage == "prod" else "Delete")
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_pruned_objects_and_unfinished_uploads_expire(template, bucket):
    properties = template.find_resources("AWS::S3::Bucket")[bucket]["Properties"]
    assert properties["LifecycleConfiguration"] == {
        "Rules": [
            {
                "Id": "Pruned",
                "Status": "Enabled",
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "ExpiredObjectDeleteMarker": True,
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]
    }


def test_the_bucket_denies_requests_without_tls_and_overwriting(template, bucket):
    properties = one(template, "AWS::S3::BucketPolicy", Bucket={"Ref": bucket})
    tls, immutable = properties["PolicyDocument"]["Statement"]
    for statement in (tls, immutable):
        assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    assert allowed(tls) == (
        {"s3:*"},
        [f"<{bucket}.Arn>", f"<{bucket}.Arn>/*"],
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    assert allowed(immutable) == (
        {"s3:PutObject"},
        [f"<{bucket}.Arn>/*"],
        {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
    )


def test_the_stack_has_no_function_that_empties_the_bucket(template):
    # The handler and the authorizer, and no custom resource: an operator runs `make empty`.
    template.resource_count_is("AWS::Lambda::Function", 2)
    assert not [
        resource["Type"] for resource in template.to_json()["Resources"].values() if "Custom" in resource["Type"]
    ]


@pytest.mark.parametrize("variable", ["RELEASES_TABLE", "RELEASE_STATUS_TABLE"])
def test_the_tables_of_releases_have_the_keys_that_the_host_uses(template, names, variable):
    keys = template.find_resources("AWS::DynamoDB::Table")[names[variable]]["Properties"]["KeySchema"]
    assert keys == [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]


@pytest.mark.parametrize("serves", ["handler", "authorizer"])
def test_both_functions_have_the_names_of_tables_and_bucket(template, serves, names, bucket):
    variables = function(template, serves)["Environment"]["Variables"]
    assert {name: variables[name] for name in names} == {name: {"Ref": value} for name, value in names.items()}
    assert names["RELEASES_BUCKET"] == bucket
    assert len(set(names.values())) == 3


@pytest.mark.parametrize("serves", ["handler", "authorizer"])
def test_both_functions_read_releases_and_write_only_the_status(template, serves, names, bucket):
    found = {sid: allowed(value) for sid, value in statements(template, serves).items() if sid.startswith("Release")}
    assert found == {
        "ReleasePointer": ({"dynamodb:GetItem"}, [f"<{names['RELEASES_TABLE']}.Arn>"], {}),
        "ReleaseStatus": (
            {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
            [f"<{names['RELEASE_STATUS_TABLE']}.Arn>"],
            {},
        ),
        "ReleaseObjects": ({"s3:GetObject"}, objects(bucket), {}),
        # Without a condition on the prefix, with which S3 would answer 403 for a missing object.
        "ReleaseBucket": ({"s3:ListBucket"}, [f"<{bucket}.Arn>"], {}),
    }
    others = [value for sid, value in statements(template, serves).items() if not sid.startswith("Release")]
    assert not {resource for other in others for resource in resources(other)} & {
        f"<{name}.Arn>" for name in names.values()
    }


def test_publishers_store_objects_and_cannot_activate(template, bucket, stage):
    assert policy(template, "PublishPolicy") == {
        "Stack": stack(stage),
        "Objects": ({"s3:GetObject"}, objects(bucket), {}),
        "NewObjects": ({"s3:PutObject"}, objects(bucket), {}),
        "Bucket": ({"s3:ListBucket"}, [f"<{bucket}.Arn>"], {}),
    }


def test_activators_move_the_pointer_and_prune_and_cannot_publish(template, names, bucket, stage):
    assert policy(template, "ActivatePolicy") == {
        "Stack": stack(stage),
        "Pointer": (
            {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
            [f"<{names['RELEASES_TABLE']}.Arn>"],
            {},
        ),
        "Status": ({"dynamodb:GetItem", "dynamodb:Query"}, [f"<{names['RELEASE_STATUS_TABLE']}.Arn>"], {}),
        "Objects": ({"s3:GetObject", "s3:DeleteObject"}, objects(bucket), {}),
        "Bucket": ({"s3:ListBucket"}, [f"<{bucket}.Arn>"], {}),
    }


def stack(stage: str) -> tuple[set[str], list[str], dict]:
    """Returns the statement for reading the outputs and the template of the stack."""
    arn = "arn:<AWS::Partition>:cloudformation:<AWS::Region>:<AWS::AccountId>:stack"
    return {"cloudformation:DescribeStacks", "cloudformation:GetTemplate"}, [f"{arn}/tidegate-chat-{stage}/*"], {}


def test_the_stack_attaches_the_policies_to_nobody(template):
    for found in template.find_resources("AWS::IAM::ManagedPolicy").values():
        assert not {"Roles", "Users", "Groups", "ManagedPolicyName"} & set(found["Properties"])
    template.resource_count_is("AWS::IAM::ManagedPolicy", 2)


def test_outputs_name_tables_bucket_and_policies(template, names):
    found = outputs(template)
    assert found["ReleasesTable"] == {"Ref": names["RELEASES_TABLE"]}
    assert found["ReleaseStatusTable"] == {"Ref": names["RELEASE_STATUS_TABLE"]}
    assert found["ReleasesBucket"] == {"Ref": names["RELEASES_BUCKET"]}
    policies = template.find_resources("AWS::IAM::ManagedPolicy")
    assert {text(found["PublishPolicy"]), text(found["ActivatePolicy"])} == {f"<{name}>" for name in policies}


def test_the_template_records_the_deployed_app(template):
    (metadata,) = template.to_json()["Metadata"].items()
    assert metadata[0] == "Tidegate"
    assert json.loads(metadata[1]["App"]) == CHAT


def test_the_recorded_app_is_complete(synthesize, chat):
    # In an object, the CDK would drop nulls and CloudFormation would replace characters that are not ASCII.
    chat["routes"]["chat"]["grants"]["messaging"]["broadcast"] = ["grüßen"]
    chat["routes"]["chat"]["limits"] = {"memory": "64MiB", "time": "2s", "no": [], "zero": 0, "half": 0.5}
    chat["routes"]["Ref"] = chat["routes"]["${Fn::GetAtt}"] = chat["routes"]["$default"]
    chat["authorizer"]["identity-source"] = []
    recorded = synthesize(chat).to_json()["Metadata"]["Tidegate"]["App"]
    assert recorded.isascii()
    assert json.loads(recorded) == chat
