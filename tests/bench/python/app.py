"""The chat's measured routes as a Python function with boto3 clients and a handler.

It makes the same calls as Tidegate's host for the same event, in the same order, on tables of the same shape. Other
routes and the registration of connections are left out, because they are not measured.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
from botocore.config import Config

# Number of concurrent posts: Tidegate's initial number. boto3 blocks, so each post needs a thread, and a connection of
# its own. botocore keeps ten by default.
POSTS = 64
# Page size for members: Tidegate's.
PAGE = 1_000

CONNECTIONS_TABLE = os.environ["CONNECTIONS_TABLE"]
GROUPS_TABLE = os.environ["GROUPS_TABLE"]
STORAGE_TABLE = os.environ["STORAGE_TABLE"]

dynamodb = boto3.client("dynamodb")
connections = boto3.client(
    "apigatewaymanagementapi",
    endpoint_url=os.environ["API_GATEWAY_URL"],
    config=Config(max_pool_connections=POSTS),
)
posts = ThreadPoolExecutor(max_workers=POSTS)
# Configuration of the greeting. Tidegate's host reads it at the start too.
parameters = boto3.client("ssm").get_parameters(Names=[f"{os.environ['CONFIG_PREFIX']}motd"], WithDecryption=True)
MOTD = next((parameter["Value"] for parameter in parameters["Parameters"]), None)


def handler(event, _context):
    context = event["requestContext"]
    match context["routeKey"]:
        case "echo":
            return {"statusCode": 200, "body": event["body"]}
        case "chat":
            return chat(context, event["body"])
    return refusal(400, "the actions are `chat` and `echo`")


def chat(context, body):
    """Stores a message and sends it to its room, the sender included."""
    try:
        message = json.loads(body)
        room, text = message["room"], message["text"]
    except (ValueError, TypeError, KeyError):
        return refusal(400, "the message needs `room` and `text`")
    group = room if room == "lobby" else f"room-{room}"
    if not is_member(context["connectionId"], group):
        return refusal(403, "join the room before you chat there")
    sender = context.get("authorizer", {}).get("principalId", "anonymous")
    at = context["requestTimeEpoch"]
    dynamodb.put_item(
        TableName=STORAGE_TABLE,
        Item={
            "pk": {"S": f"messages#{room}"},
            "sk": {"S": f"{at:020}-{context['messageId']}"},
            "from": {"S": sender},
            "text": {"S": text},
            "at": {"N": str(at)},
        },
    )
    frame = json.dumps({"type": "message", "room": room, "from": sender, "text": text, "at": at}).encode()
    for posted in [posts.submit(post, member, frame) for member in members(group)]:
        posted.result()
    return {"statusCode": 200}


def is_member(connection, group):
    answer = dynamodb.get_item(
        TableName=CONNECTIONS_TABLE, Key={"connection_id": {"S": connection}}, ConsistentRead=True
    )
    return group in answer.get("Item", {}).get("groups", {}).get("SS", [])


def members(group):
    pages = dynamodb.get_paginator("query").paginate(
        TableName=GROUPS_TABLE,
        ConsistentRead=True,
        KeyConditionExpression="#g = :g",
        FilterExpression="#e > :now",
        ProjectionExpression="#i",
        ExpressionAttributeNames={"#g": "group", "#i": "connection_id", "#e": "expires_at"},
        ExpressionAttributeValues={":g": {"S": f"{group}#0"}, ":now": {"N": str(int(time.time()))}},
        Limit=PAGE,
    )
    for page in pages:
        for row in page["Items"]:
            yield row["connection_id"]["S"]


def post(connection, frame):
    """Posts to one connection. A connection that is gone is ignored: its row expires."""
    with suppress(connections.exceptions.GoneException):
        connections.post_to_connection(ConnectionId=connection, Data=frame)


def refusal(status, message):
    return {"statusCode": status, "body": json.dumps({"message": message})}
