"""Deployment of the CDK app's template on the emulator, like `cdk deploy`: assets to S3, then CloudFormation."""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import botocore.exceptions
from emulator import REGION, Emulator, environment

INFRA = Path(__file__).resolve().parents[2] / "infra"
ACCOUNT = "000000000000"
# Bucket and parameter that `cdk bootstrap` creates.
ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
# Time limit in seconds. The first run installs the command line.
CDK_SECONDS = 240
ROUTE_RESPONSE = "AWS::ApiGatewayV2::RouteResponse"

Template = dict


@dataclass(frozen=True)
class Deployment:
    """An app on an emulator."""

    emulator: Emulator
    name: str
    stage: str
    template: Template
    outputs: dict[str, str]
    # Physical ids by logical ids.
    resources: dict[str, str]

    @property
    def api(self) -> str:
        """Id of the API."""
        return self.physical_id("AWS::ApiGatewayV2::Api")

    @property
    def url(self) -> str:
        """URL that clients connect to."""
        return self.emulator.web_socket_url(self.api, self.stage)

    def physical_id(self, kind: str) -> str:
        """Returns the physical id of the only resource of this type."""
        (name,) = (name for name, resource in self.template["Resources"].items() if resource["Type"] == kind)
        return self.resources[name]

    def function(self, serves: str) -> str:
        """Returns the logical id of the handler or the authorizer."""
        (name,) = (
            name
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == "AWS::Lambda::Function"
            and resource["Properties"]["Environment"]["Variables"]["TIDEGATE_FUNCTION"] == serves
        )
        return name

    def items(self, output: str) -> list[dict]:
        """Returns all items of the table that an output names."""
        return self.emulator.client("dynamodb").scan(TableName=self.outputs[output])["Items"]

    def logs(self, function: str) -> str:
        """Returns the log of the function with this logical id."""
        group = self.template["Resources"][function]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        events = self.emulator.client("logs").filter_log_events(logGroupName=self.resources[group])["events"]
        return "\n".join(event["message"] for event in events)


def synthesize(package: Path, output: Path, emulator: Emulator, stage: str = "dev", **context: str) -> Path:
    """Synthesises a stage into `output`, with the emulator's callback URL."""
    values = {"stage": stage, "package": str(package), "callback-url": emulator.callback_url}
    values |= {name.replace("_", "-"): value for name, value in context.items()}
    arguments = [argument for name, value in values.items() for argument in ("-c", f"{name}={value}")]
    run = subprocess.run(
        [sys.executable, "app.py", *arguments, "--output", str(output)],
        cwd=INFRA,
        env=with_node(os.environ),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return output


def deploy(
    emulator: Emulator, assembly: Path, name: str, stage: str = "dev", change: Callable[[Template], None] | None = None
) -> Deployment:
    """Deploys a synthesised stack under `name`. `change` may edit its template first."""
    (path,) = assembly.glob(f"*-{stage}.template.json")
    template = json.loads(path.read_text())
    if change:
        change(template)
    publish_assets(emulator, assembly)
    accepted = adapt_to_ministack(template)
    cloudformation = emulator.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(accepted), Capabilities=["CAPABILITY_IAM"])
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
    except botocore.exceptions.WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]
        raise AssertionError(f"`{name}` was not deployed: {'; '.join(reasons)}") from error
    deployment = describe(emulator, name, stage, accepted)
    add_route_responses(deployment, template)
    return deployment


def deploy_by_command(emulator: Emulator, assembly: Path, stage: str = "dev") -> Deployment:
    """Deploys a synthesised stack with the CDK's command line. The emulator must be bootstrapped.

    Adapts the template in `assembly` to MiniStack.
    """
    (path,) = assembly.glob(f"*-{stage}.template.json")
    template = adapt_to_ministack(json.loads(path.read_text()))
    path.write_text(json.dumps(template))
    cdk(emulator, "deploy", "--app", str(assembly), "--require-approval", "never")
    return describe(emulator, path.name.removesuffix(".template.json"), stage, template)


def cdk(emulator: Emulator, *arguments: str) -> None:
    """Runs the CDK's command line, in the version that `infra/Makefile` pins, against the emulator."""
    (command,) = re.findall(r"^CDK := (.+)$", (INFRA / "Makefile").read_text(), re.MULTILINE)
    run = subprocess.run(
        [*command.split(), *arguments],
        cwd=INFRA,
        env=with_node(environment(emulator.port, emulator.log.parent / "tmp", enforce_policies=False))
        | {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "CI": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CDK_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def with_node(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables with the virtual environment's `node` and `npx` first on the path."""
    return {**variables, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"}


def describe(emulator: Emulator, name: str, stage: str, template: Template) -> Deployment:
    """Reads the outputs and resources of a deployed stack."""
    cloudformation = emulator.client("cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    return Deployment(
        emulator=emulator,
        name=name,
        stage=stage,
        template=template,
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]},
        resources={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )


def delete(deployment: Deployment) -> None:
    """Deletes the stack."""
    cloudformation = deployment.emulator.client("cloudformation")
    cloudformation.delete_stack(StackName=deployment.name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=deployment.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def configure(emulator: Emulator, values: Mapping[str, str], *, secrets: bool = False) -> None:
    """Creates the chat's parameters, or secrets, for the stage `dev` as in the guide."""
    for value_name, value in values.items():
        name = f"/tidegate/chat/dev/{value_name}"
        if secrets:
            emulator.client("secretsmanager").create_secret(Name=name, SecretString=value)
        else:
            emulator.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")


def without_parameter(template: Template) -> None:
    """Removes the parameter, which exists once a stage."""
    resources = template["Resources"].items()
    template["Resources"] = {name: one for name, one in resources if one["Type"] != "AWS::SSM::Parameter"}


def publish_assets(emulator: Emulator, assembly: Path) -> None:
    """Creates the bucket and parameter of `cdk bootstrap`, and uploads the assets."""
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=ASSETS_BUCKET)
    emulator.client("ssm").put_parameter(Name=BOOTSTRAP_VERSION, Value="30", Type="String", Overwrite=True)
    for manifest in assembly.glob("*.assets.json"):
        for asset in json.loads(manifest.read_text())["files"].values():
            for destination in asset["destinations"].values():
                content = (assembly / asset["source"]["path"]).read_bytes()
                s3.put_object(Bucket=ASSETS_BUCKET, Key=destination["objectKey"], Body=content)


def adapt_to_ministack(template: Template) -> Template:
    """Returns the template without the resources that MiniStack rejects, and with the policies that it requires."""
    accepted = copy.deepcopy(template)
    accepted["Resources"] = {
        name: resource for name, resource in accepted["Resources"].items() if resource["Type"] != ROUTE_RESPONSE
    }
    for statement in statements(accepted):
        # MiniStack checks GetParameters against `*`; AWS checks each parameter.
        if statement["Action"] == "ssm:GetParameters":
            statement["Resource"] = "*"
    for resource in accepted["Resources"].values():
        if resource["Type"] == "AWS::S3::BucketPolicy":
            # MiniStack listens on HTTP only.
            document = resource["Properties"]["PolicyDocument"]
            document["Statement"] = [
                statement for statement in document["Statement"] if "SecureTransport" not in json.dumps(statement)
            ]
    return accepted


def statements(template: Template) -> list[dict]:
    """Returns every statement of every role's policy."""
    return [
        statement
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def add_route_responses(deployment: Deployment, template: Template) -> None:
    """Creates the route responses through API Gateway's API, which MiniStack supports."""
    gateway = deployment.emulator.client("apigatewayv2")
    for resource in template["Resources"].values():
        if resource["Type"] == ROUTE_RESPONSE:
            properties = resource["Properties"]
            gateway.create_route_response(
                ApiId=deployment.api,
                # MiniStack's physical id of a route is `API/ROUTE`.
                RouteId=deployment.resources[properties["RouteId"]["Ref"]].rpartition("/")[2],
                RouteResponseKey=properties["RouteResponseKey"],
            )
