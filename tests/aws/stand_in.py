#!PYTHON
"""A bootstrap in Python that makes the AWS calls of the real one: stack and emulator can be tried without it."""

import json
import os
import time
import urllib.request

import boto3
import botocore.exceptions

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"
GROUP = "lobby#0"
# How long a connection's row lives: API Gateway ends it after two hours.
LIFE_SECONDS = 7_800
GREETING_SECONDS = 1.0


class UnauthorizedError(Exception):
    """The authorizer's 401."""


def loop(serve) -> None:
    """Answers events, then does what waits for the answer to be posted."""
    while True:
        with urllib.request.urlopen(f"{RUNTIME}/invocation/next") as answer:
            request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.load(answer)
        print(json.dumps({"level": "INFO", "message": "event", "event": event}), flush=True)
        after = []
        try:
            post(f"invocation/{request}/response", serve(event, after))
        except Exception as error:
            fault = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}
            print(json.dumps({"level": "ERROR", "message": str(error)}), flush=True)
            post(f"invocation/{request}/error", fault)
        for task in after:
            task()


def post(path: str, value) -> None:
    """Posts to the Runtime API."""
    urllib.request.urlopen(f"{RUNTIME}/{path}", data=json.dumps(value).encode()).close()


class Authorizer:
    """Allows `good`, denies `bad`, and calls anything else unauthorized."""

    def __init__(self) -> None:
        parameter = os.environ["CONFIG_PREFIX"] + "token-key"
        self.config = boto3.client("ssm").get_parameters(Names=[parameter], WithDecryption=True)["Parameters"]

    def __call__(self, event: dict, after: list) -> dict:
        headers = {name.lower(): value for name, value in event["headers"].items()}
        effects = {"Bearer good": "Allow", "Bearer bad": "Deny"}
        effect = effects.get(headers["authorization"])
        if effect is None:
            raise UnauthorizedError("Unauthorized")
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {
            "principalId": "somebody",
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": {"configured": str(len(self.config))},
        }


class Handler:
    """Keeps a registry with one group, stores what is said, and sends it to all of the group."""

    def __init__(self) -> None:
        self.dynamodb = boto3.client("dynamodb")
        self.connections = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["API_GATEWAY_URL"])
        self.table, self.groups = os.environ["CONNECTIONS_TABLE"], os.environ["GROUPS_TABLE"]
        self.storage = os.environ["STORAGE_TABLE"]

    def __call__(self, event: dict, after: list) -> dict:
        context = event["requestContext"]
        connection = context["connectionId"]
        route = {"$connect": self.connect, "$disconnect": self.disconnect, "chat": self.chat}.get(context["routeKey"])
        body = route(connection, event, after) if route else {"error": f"no route for `{event['body']}`"}
        return {"statusCode": 200, "body": json.dumps(body) if body else ""}

    def connect(self, connection: str, event: dict, after: list) -> None:
        now = int(time.time())
        key = {"connection_id": {"S": connection}}
        lives = {"expires_at": {"N": str(now + LIFE_SECONDS)}}
        self.dynamodb.put_item(TableName=self.table, Item=key | lives | {"connected_at": {"N": str(now * 1000)}})
        add = {
            "TableName": self.table,
            "Key": key,
            "UpdateExpression": "ADD #groups :group",
            "ConditionExpression": "attribute_exists(connection_id)",
            "ExpressionAttributeNames": {"#groups": "groups"},
            "ExpressionAttributeValues": {":group": {"SS": [GROUP]}},
        }
        member = {"TableName": self.groups, "Item": {"group": {"S": GROUP}} | key | lives}
        self.dynamodb.transact_write_items(TransactItems=[{"Update": add}, {"Put": member}])
        principal = event["requestContext"].get("authorizer", {}).get("principalId")
        after.append(lambda: self.greet(connection, {"type": "hello", "principal": principal}))

    def greet(self, connection: str, message: dict) -> None:
        """Sends once the socket is open, which is after `$connect` has been answered."""
        deadline, wait = time.monotonic() + GREETING_SECONDS, 0.005
        while time.monotonic() < deadline:
            try:
                self.connections.get_connection(ConnectionId=connection)
            except self.connections.exceptions.GoneException:
                time.sleep(wait)
                wait *= 2
            else:
                self.send(connection, message)
                return

    def chat(self, connection: str, event: dict, after: list) -> dict:
        text = json.loads(event["body"])["text"]
        row = {"pk": {"S": "rooms#lobby"}, "sk": {"S": event["requestContext"]["messageId"]}, "text": {"S": text}}
        self.dynamodb.put_item(TableName=self.storage, Item=row)
        members = self.dynamodb.query(
            TableName=self.groups,
            KeyConditionExpression="#group = :group",
            ExpressionAttributeNames={"#group": "group"},
            ExpressionAttributeValues={":group": {"S": GROUP}},
        )["Items"]
        sent = [self.send(member["connection_id"]["S"], {"type": "message", "text": text}) for member in members]
        return {"type": "ack", "delivered": sum(sent)}

    def send(self, connection: str, message: dict) -> bool:
        try:
            self.connections.post_to_connection(ConnectionId=connection, Data=json.dumps(message).encode())
        except self.connections.exceptions.GoneException:
            return False
        return True

    def disconnect(self, connection: str, event: dict, after: list) -> None:
        key = {"connection_id": {"S": connection}}
        old = self.dynamodb.delete_item(TableName=self.table, Key=key, ReturnValues="ALL_OLD").get("Attributes", {})
        deletes = [
            {"DeleteRequest": {"Key": {"group": {"S": group}} | key}} for group in old.get("groups", {}).get("SS", [])
        ]
        if deletes:
            self.dynamodb.batch_write_item(RequestItems={self.groups: deletes})


if __name__ == "__main__":
    try:
        serve = Authorizer() if os.environ["TIDEGATE_FUNCTION"] == "authorizer" else Handler()
    except (KeyError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        post("init/error", {"errorType": type(error).__name__, "errorMessage": str(error)})
        raise SystemExit(1) from error
    loop(serve)
