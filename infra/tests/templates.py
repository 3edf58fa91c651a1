"""Helpers that read synthesised templates."""

import json

from aws_cdk.assertions import Template


def one(template: Template, kind: str, **properties) -> dict:
    """Returns the properties of the only resource of type `kind` with these properties."""
    found = [
        resource["Properties"]
        for resource in template.find_resources(kind).values()
        if all(resource["Properties"].get(name) == value for name, value in properties.items())
    ]
    assert len(found) == 1, f"{len(found)} of {kind} with {properties}"
    return found[0]


def function(template: Template, serves: str) -> dict:
    """Returns the properties of the handler or the authorizer."""
    found = [
        resource["Properties"]
        for resource in template.find_resources("AWS::Lambda::Function").values()
        if resource["Properties"]["Environment"]["Variables"]["TIDEGATE_FUNCTION"] == serves
    ]
    assert len(found) == 1
    return found[0]


def statements(template: Template, serves: str) -> dict[str, dict]:
    """Returns the statements of the handler or the authorizer, by Sid."""
    role = function(template, serves)["Role"]["Fn::GetAtt"][0]
    found = [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    return {statement.get("Sid", "Traces"): statement for statement in found}


def actions(statement: dict) -> set[str]:
    """Returns the actions of a statement."""
    value = statement["Action"]
    return set(value) if isinstance(value, list) else {value}


def resources(statement: dict) -> list[str]:
    """Returns the resources of a statement, with references in angle brackets."""
    value = statement["Resource"]
    return [text(resource) for resource in (value if isinstance(value, list) else [value])]


def text(value) -> str:
    """Returns a value as text, with references in angle brackets."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return separator.join(map(text, parts))
        case [only]:
            return text(only)
    raise ValueError(json.dumps(value))
