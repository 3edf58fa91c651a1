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

# One route, whose component is one of many versions; `{keys}` are those that releases are signed with.
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
