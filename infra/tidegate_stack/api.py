"""The WebSocket API, its routes and its stage, as the package's `app.json` describes them."""

from aws_cdk import Stack
from aws_cdk.aws_apigatewayv2 import (
    CfnAuthorizer,
    CfnIntegration,
    CfnRoute,
    CfnRouteResponse,
    ThrottleSettings,
    WebSocketApi,
    WebSocketStage,
)
from aws_cdk.aws_iam import ServicePrincipal
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from .access_logs import AccessLog
from .functions import HANDLER_TIMEOUT
from .package import CONNECT, DISCONNECT, App, Grants, Route
from .stages import Stage as AppStage

# The only route response that API Gateway supports.
ALL_RESPONSES = "$default"


def construct_name(route_key: str, used: set[str]) -> str:
    """Returns a name for the constructs of a route. The CDK writes `/` as `--`, so two keys can need another name."""
    name = route_key.replace("/", "--")
    while name in used:
        name += " "
    return name


class Api(Construct):
    """The API and its one stage. Routes are added later, because functions need the API's address first."""

    def __init__(self, scope: Construct, name: str, app: App, stage: AppStage, *, access_logs: bool) -> None:
        super().__init__(scope, name)
        self.app = app
        self.api = WebSocketApi(
            self,
            "Api",
            api_name=f"{app.name}-{stage.name}",
            description=f"Tidegate app {app.name}, {stage.name}",
            route_selection_expression=app.route_selection_expression,
        )
        self.stage = WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=stage.name,
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=ThrottleSettings(rate_limit=stage.throttle_rate, burst_limit=stage.throttle_burst),
            access_log_settings=self._access_log(stage) if access_logs else None,
        )

    def callback_url(self, override: str | None) -> str:
        """Returns the `https` address of `@connections`, or `override` with `{api}` and `{stage}` replaced."""
        if not override:
            return self.stage.callback_url
        return override.replace("{api}", self.api.api_id).replace("{stage}", self.stage.stage_name)

    def add_routes(self, handler: Function, authorizer: Function | None) -> None:
        """Adds the app's routes, and `$connect` and `$disconnect`, on which the host keeps its registry.

        All routes share one integration and one permission. An API may have 300 integrations, and one permission for
        each route, which is the CDK's default, fills a function's policy (20 KB) after about 60 routes.
        """
        integration = CfnIntegration(
            self,
            "Integration",
            api_id=self.api.api_id,
            integration_type="AWS_PROXY",
            integration_uri=self._invocation(handler),
            timeout_in_millis=HANDLER_TIMEOUT.to_milliseconds(),
        )
        self._permit(handler, f"{self.stage.stage_name}/*")
        authorizer_id = self._authorizer(authorizer).ref if authorizer else None
        names: set[str] = set()
        for route in (*self.app.routes, *self._missing_routes()):
            name = construct_name(route.key, names)
            names.add(name)
            self._route(route, name, integration, authorizer_id if route.key == CONNECT else None)

    def _missing_routes(self) -> list[Route]:
        """Returns `$connect` and `$disconnect`, or those of them that the app does not have."""
        return [Route(key, response=False, grants=Grants()) for key in (CONNECT, DISCONNECT) if not self.app.route(key)]

    def _route(self, route: Route, name: str, integration: CfnIntegration, authorizer_id: str | None) -> None:
        resource = CfnRoute(
            self,
            f"Route {name}",
            api_id=self.api.api_id,
            route_key=route.key,
            target=f"integrations/{integration.ref}",
            authorization_type="CUSTOM" if authorizer_id else "NONE",
            authorizer_id=authorizer_id,
            route_response_selection_expression=ALL_RESPONSES if route.response else None,
        )
        if route.response:
            CfnRouteResponse(
                self,
                f"Response {name}",
                api_id=self.api.api_id,
                route_id=resource.ref,
                route_response_key=ALL_RESPONSES,
            )

    def _authorizer(self, function: Function) -> CfnAuthorizer:
        authorizer = CfnAuthorizer(
            self,
            "Authorizer",
            api_id=self.api.api_id,
            name="authorizer",
            authorizer_type="REQUEST",
            authorizer_uri=self._invocation(function),
        )
        # An override, because the CDK drops an empty list. With an empty list, API Gateway always calls the authorizer.
        authorizer.add_property_override("IdentitySource", list(self.app.authorizer.identity_source))
        self._permit(function, f"authorizers/{authorizer.ref}")
        return authorizer

    def _permit(self, function: Function, source: str) -> None:
        """Allows this API to invoke `function` for `source` only."""
        function.add_permission(
            "Invocation",
            principal=ServicePrincipal("apigateway.amazonaws.com"),
            source_arn=Stack.of(self).format_arn(service="execute-api", resource=self.api.api_id, resource_name=source),
        )

    def _invocation(self, function: Function) -> str:
        """Returns the ARN that API Gateway invokes `function` by."""
        return Stack.of(self).format_arn(
            service="apigateway",
            account="lambda",
            resource="path/2015-03-31/functions",
            resource_name=f"{function.function_arn}/invocations",
        )

    def _access_log(self, stage: AppStage) -> AccessLog:
        return AccessLog(
            LogGroup(self, "AccessLog", retention=stage.log_retention, removal_policy=stage.removal_policy)
        )
