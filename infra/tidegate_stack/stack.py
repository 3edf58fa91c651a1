"""The stack of one app in one stage."""

import json

from aws_cdk import CfnOutput, Stack, Tags
from aws_cdk.aws_lambda import Code
from aws_cdk.aws_ssm import StringParameter
from constructs import Construct

from .alarms import Alarms
from .api import Api
from .functions import Authorizer, Handler
from .package import App
from .permissions import authorizer_statements, config_prefix, handler_statements
from .release_permissions import ActivatePolicy, PublishPolicy, host_statements
from .releases import Releases
from .settings import PARAMETER_STORE, Settings
from .stages import Stage
from .tables import Tables


def stack_name(app: App, stage: Stage) -> str:
    """Returns the name of an app's stack. The command line `tidegate` finds the stack by the same name."""
    return f"tidegate-{app.name}-{stage.name}"


class AppStack(Stack):
    """The tables, releases, functions, API and alarms of one app in one stage."""

    def __init__(self, scope: Construct, settings: Settings, stage: Stage) -> None:
        app = settings.package.app
        super().__init__(scope, stack_name(app, stage), description=f"Tidegate app {app.name}, {stage.name}")
        self.app = app
        self.stage_settings = stage
        self.settings = settings
        self.tables = Tables(self, "Tables", stage)
        self.releases = Releases(self, "Releases", stage)
        self.api = Api(self, "Api", app, stage, access_logs=settings.access_logs)
        self.callback_url = self.api.callback_url(settings.callback_url)

        code = Code.from_asset(str(settings.package.path))
        self.handler = self._handler(code)
        self.authorizer = self._authorizer(code) if app.authorizer else None
        self.api.add_routes(self.handler.function, self.authorizer and self.authorizer.function)
        title = f"{app.name}, {stage.name}"
        self.publish_policy = PublishPolicy(self.releases, title=title)
        self.activate_policy = ActivatePolicy(self.releases, title=title)
        self._add_alarms()
        self._record_app()
        self._record_fingerprint()
        self._add_outputs()
        Tags.of(self).add("tidegate:app", app.name)
        Tags.of(self).add("tidegate:stage", stage.name)

    def _handler(self, code: Code) -> Handler:
        stage = self.stage_settings
        handler = Handler(
            self,
            "Handler",
            stage=stage,
            code=code,
            architecture=self.settings.architecture,
            environment={
                "CONNECTIONS_TABLE": self.tables.connections.table_name,
                "GROUPS_TABLE": self.tables.groups.table_name,
                "STORAGE_TABLE": self.tables.storage.table_name,
                "API_GATEWAY_URL": self.callback_url,
            }
            | self._shared_environment(),
        )
        handler.allow(handler_statements(self, self.app, stage, self.tables, self.api.api, self.settings))
        handler.allow(host_statements(self.releases))
        return handler

    def _authorizer(self, code: Code) -> Authorizer:
        stage = self.stage_settings
        authorizer = Authorizer(
            self,
            "Authorizer",
            stage=stage,
            code=code,
            architecture=self.settings.architecture,
            environment=self._shared_environment(),
        )
        authorizer.allow(authorizer_statements(self, self.app, stage, self.settings))
        authorizer.allow(host_statements(self.releases))
        return authorizer

    def _shared_environment(self) -> dict[str, str]:
        """Returns the variables of both functions: the names of configuration and releases, and `MAX_STALENESS`."""
        environment = {"CONFIG_PREFIX": config_prefix(self.app, self.stage_settings)}
        if self.settings.config_source != PARAMETER_STORE:
            environment["CONFIG_SOURCE"] = self.settings.config_source
        if self.settings.max_staleness:
            environment["MAX_STALENESS"] = self.settings.max_staleness
        return environment | self.releases.environment()

    def _add_alarms(self) -> None:
        alarms = Alarms(self, "Alarms", self.app, self.stage_settings, topic=self.settings.alarm_topic)
        alarms.watch_handler(self.handler)
        if self.authorizer:
            alarms.watch_authorizer(self.authorizer)
        alarms.watch_api(self.api)
        alarms.watch_releases()

    def _record_app(self) -> None:
        """Records the deployed app in the template, so that `tidegate release` can name the routes that differ.

        CloudFormation updates the metadata of a template only together with a resource. A changed app changes the
        package, and so the functions.
        """
        # A string in ASCII: CloudFormation returns other characters of a template as question marks.
        self.add_metadata("Tidegate", {"App": json.dumps(self.app.document)})

    def _record_fingerprint(self) -> None:
        """Records the routing fingerprint of the stack, so that a release with other routing can be refused.

        The parameter is outside of the app's configuration prefix, so no grant can name it.
        """
        StringParameter(
            self,
            "RoutingFingerprint",
            parameter_name=f"/tidegate-stack/{self.app.name}/{self.stage_settings.name}/routing-fingerprint",
            string_value=self.settings.package.routing_fingerprint,
            description="Digest of the routes, route responses, selection expression and identity sources",
        )

    def _add_outputs(self) -> None:
        for name, value, text in (
            ("WebSocketUrl", self.api.stage.url, "URL that clients connect to"),
            ("CallbackUrl", self.callback_url, "URL of @connections"),
            ("ConnectionsTable", self.tables.connections.table_name, "Table of open connections"),
            ("GroupsTable", self.tables.groups.table_name, "Table of group memberships"),
            ("StorageTable", self.tables.storage.table_name, "Table of documents"),
            (
                "ReleasesTable",
                self.releases.pointers.table_name,
                "Table of the active release, the canary and their history",
            ),
            ("ReleaseStatusTable", self.releases.status.table_name, "Table of the reports of hosts"),
            ("ReleasesBucket", self.releases.bucket.bucket_name, "Bucket of signed releases and their artifacts"),
            ("PublishPolicy", self.publish_policy.managed_policy_arn, "Managed policy for publishers of releases"),
            ("ActivatePolicy", self.activate_policy.managed_policy_arn, "Managed policy for activators of releases"),
            ("HandlerLogs", self.handler.log_group.log_group_name, "Log group of the handler"),
            ("Fingerprint", self.settings.package.routing_fingerprint, "Routing fingerprint of the stack"),
        ):
            CfnOutput(self, name, value=value, description=text)
