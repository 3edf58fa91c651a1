"""The roles of a deployed app, and the temporary removal of an action from a role."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from deployment import Deployment

# Actions of every function, independent of the app's grants.
OF_EVERY_FUNCTION = ("logs:", "xray:")


@dataclass(frozen=True, order=True)
class Permission:
    """An action in the role of a function."""

    serves: str
    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.serves} {self.sid} {self.action}"


def permissions(app: Deployment) -> set[Permission]:
    """Returns the actions of the app's functions, without those for logs and traces."""
    return {
        Permission(serves, statement["Sid"], action)
        for serves in ("handler", "authorizer")
        for document in policies(app, role(app, serves)).values()
        for statement in document["Statement"]
        for action in actions(statement)
        if not action.startswith(OF_EVERY_FUNCTION)
    }


@contextlib.contextmanager
def without(app: Deployment, permission: Permission) -> Iterator[None]:
    """Removes an action from a role, and restarts the function's processes, within the block."""
    iam, name = app.emulator.client("iam"), role(app, permission.serves)
    before = policies(app, name)
    for policy, document in before.items():
        kept = [less(statement, permission) for statement in document["Statement"]]
        document = document | {"Statement": [statement for statement in kept if actions(statement)]}
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    restart(app, permission.serves)
    try:
        yield
    finally:
        for policy, document in before.items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
        restart(app, permission.serves)


def less(statement: dict, permission: Permission) -> dict:
    """Returns the statement without the action, if the statement allows it."""
    if statement.get("Sid") != permission.sid:
        return statement
    return statement | {"Action": [action for action in actions(statement) if action != permission.action]}


def actions(statement: dict) -> list[str]:
    """Returns the actions of a statement, which may be a single string."""
    value = statement["Action"]
    return [value] if isinstance(value, str) else value


def role(app: Deployment, serves: str) -> str:
    """Returns the name of a function's role."""
    function = app.template["Resources"][app.function(serves)]
    return app.resources[function["Properties"]["Role"]["Fn::GetAtt"][0]]


def policies(app: Deployment, role: str) -> dict[str, dict]:
    """Returns a role's inline policies by name."""
    iam = app.emulator.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}


def restart(app: Deployment, serves: str) -> None:
    """Ends a function's processes by an update of its configuration."""
    function = app.resources[app.function(serves)]
    client = app.emulator.client("lambda")
    environment = client.get_function_configuration(FunctionName=function)["Environment"]
    client.update_function_configuration(FunctionName=function, Environment=environment)
