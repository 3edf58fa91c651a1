"""Manifests of small apps."""

# One route with an echo component.
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

# One route whose component has many versions. `{keys}` has the tables of the public keys.
VERSIONS = """
[app]
name = "versions"
route-selection-expression = "$request.body.action"

[components.version]
source = "version.wasm"

[routes."$default"]
component = "version"
response = true
grants.messaging = {{ send = "self" }}
limits.time = "2s"
{more}
{keys}
"""
