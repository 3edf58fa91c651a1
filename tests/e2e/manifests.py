"""Manifests of small apps."""

# One route, whose component answers with what it is told.
ECHO = """
[app]
name = "small"
route-selection-expression = "$request.body.action"

[components.echo]
source = "echo.wasm"

[routes.echo]
component = "echo"
response = true
"""
