"""The chat's measured routes as a Python function: boto3 clients made once, a handler that looks at the route key.

It makes the calls that Tidegate's host makes for the same event, in the same order, on tables of the same shape. What
is not measured is not here: other routes, and the registration of connections.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
from botocore.config import Config

# How many posts are under way at once: with how many Tidegate begins. boto3 blocks, so each needs a thread, and a
# connection of its own, of which botocore would keep ten.
POSTS = 64
# Members read at a time, as Tidegate does.
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
# What the greeting of a connection shows; read at the start, as Tidegate's host reads its configuration.
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
    """Posts to one connection. One that is gone is no failure: its row ends by itself."""
    with suppress(connections.exceptions.GoneException):
        connections.post_to_connection(ConnectionId=connection, Data=frame)


def refusal(status, message):
    return {"statusCode": status, "body": json.dumps({"message": message})}
