"""Users who manage a deployed stage: each has one policy, and runs the command line with its own credentials."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import boto3
from deployment import Deployment
from emulator import REGION
from releases import VersionedApp

CHAT = Path(__file__).resolve().parents[2] / "guest" / "examples" / "chat"
COMMAND_SECONDS = 120


@dataclass
class User(VersionedApp):
    """A user with the sources of an app and AWS credentials."""

    credentials: dict[str, str] | None = None

    def client(self, service: str):
        """Returns an AWS client with the user's credentials."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.credentials["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.credentials["AWS_SECRET_ACCESS_KEY"],
        )


def create_user(
    app: Deployment,
    tidegate: Path,
    name: str,
    policy: str,
    folder: Path,
    component: bytes,
    keys: list[Path] | None = None,
) -> User:
    """Creates a user with a policy of the stack, who works in `folder`."""
    iam = app.emulator.client("iam")
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=app.outputs[policy])
    made = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": app.emulator.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIDEGATE_"))}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tidegate, *arguments],
            env=kept | credentials,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    return User(folder, component, run, keys or [], ("--stage", app.stage), credentials)


def manifest(key: Path) -> str:
    """Returns the chat's manifest without build commands, with the component of many versions and the key."""
    lines = (CHAT / "tidegate.toml").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith(("build =", "watch =")))
    text = text.replace('"../../target/', f'"{CHAT.parents[1] / "target"}/')
    default = next(line for line in text.splitlines() if line.endswith('/chat_default.wasm"'))
    text = text.replace(default, 'source = "version.wasm"')
    granted = '[routes."$default"]\ngrants.messaging = { send = "self" }'
    return "\n".join([text.replace('[routes."$default"]', granted), key.with_suffix(".toml").read_text()])
