"""One app in one stage."""

from aws_cdk import CfnOutput, Stack, Tags
from aws_cdk.aws_lambda import Code
from aws_cdk.aws_ssm import StringParameter
from constructs import Construct

from .alarms import Alarms
from .api import Api
from .functions import Authorizer, Handler
from .permissions import authorizer_statements, config_prefix, handler_statements
from .settings import PARAMETER_STORE, Settings
from .stages import Stage
from .tables import Tables


class AppStack(Stack):
    """Tables, functions, API and alarms of one app in one stage."""

    def __init__(self, scope: Construct, settings: Settings, stage: Stage) -> None:
        app = settings.package.app
        super().__init__(
            scope, f"tidegate-{app.name}-{stage.name}", description=f"Tidegate app {app.name}, {stage.name}"
        )
        self.app = app
        self.stage_settings = stage
        self.settings = settings
        self.tables = Tables(self, "Tables", stage)
        self.api = Api(self, "Api", app, stage, access_logs=settings.access_logs)
        self.callback_url = self.api.callback_url(settings.callback_url)

        code = Code.from_asset(str(settings.package.path))
        self.handler = self._handler(code)
        self.authorizer = self._authorizer(code) if app.authorizer else None
        self.api.add_routes(self.handler.function, self.authorizer and self.authorizer.function)
        self._watch()
        self._record_fingerprint()
        self._outputs()
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
            | self._config(),
        )
        handler.allow(handler_statements(self, self.app, stage, self.tables, self.api.api, self.settings))
        return handler

    def _authorizer(self, code: Code) -> Authorizer:
        stage = self.stage_settings
        authorizer = Authorizer(
            self,
            "Authorizer",
            stage=stage,
            code=code,
            architecture=self.settings.architecture,
            environment=self._config(),
        )
        authorizer.allow(authorizer_statements(self, self.app, stage, self.settings))
        return authorizer

    def _config(self) -> dict[str, str]:
        """Where a function finds its configuration values."""
        environment = {"CONFIG_PREFIX": config_prefix(self.app, self.stage_settings)}
        if self.settings.config_source != PARAMETER_STORE:
            environment["CONFIG_SOURCE"] = self.settings.config_source
        return environment

    def _watch(self) -> None:
        alarms = Alarms(self, "Alarms", self.app, self.stage_settings, topic=self.settings.alarm_topic)
        alarms.watch_handler(self.handler)
        if self.authorizer:
            alarms.watch_authorizer(self.authorizer)
        alarms.watch_api(self.api)

    def _record_fingerprint(self) -> None:
        """Records which routing the stack has, so that a release with another can be refused.

        The name is outside of the app's configuration, where a grant could name it.
        """
        StringParameter(
            self,
            "RoutingFingerprint",
            parameter_name=f"/tidegate-stack/{self.app.name}/{self.stage_settings.name}/routing-fingerprint",
            string_value=self.settings.package.routing_fingerprint,
            description="Of routes, route responses, selection expression and identity sources",
        )

    def _outputs(self) -> None:
        for name, value, text in (
            ("WebSocketUrl", self.api.stage.url, "Where clients connect"),
            ("CallbackUrl", self.callback_url, "Where @connections is"),
            ("ConnectionsTable", self.tables.connections.table_name, "Open connections"),
            ("GroupsTable", self.tables.groups.table_name, "Their groups"),
            ("StorageTable", self.tables.storage.table_name, "Documents"),
            ("HandlerLogs", self.handler.log_group.log_group_name, "The handler's log group"),
            ("Fingerprint", self.settings.package.routing_fingerprint, "Of the routing that this stack has"),
        ):
            CfnOutput(self, name, value=value, description=text)
