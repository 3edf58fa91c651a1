"""An HTTP proxy between a host and AWS, which injects faults into the requests that rules select.

It listens on a free port of 127.0.0.1 and forwards to an emulated AWS. A test adds a rule: a fault, an operation of
DynamoDB, `@connections` or S3, and the number of requests. All other requests pass unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from faults import Exchange, Fault, Request

# Time limit in seconds for the upstream, and for the end of the proxy's thread.
SECONDS = 60
MANAGEMENT = re.compile(r"/(?:@|%40)connections/(?P<connection>[^/?]+)")
MANAGEMENT_OPERATIONS = {"POST": "PostToConnection", "GET": "GetConnection", "DELETE": "DeleteConnection"}
OBJECT_OPERATIONS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


@dataclass
class Rule:
    """A fault of the requests of one operation."""

    fault: Fault
    operation: str
    # Number of matching requests that pass first.
    skip: int = 0
    # Number of requests that have the fault; None for all.
    times: int | None = 1
    # Part of the path of the requests, for example a connection's id.
    path: str = ""
    # Number of requests that had the fault.
    hits: int = 0

    def takes(self, request: Request) -> bool:
        """Returns true if the request has the fault, and counts it."""
        if self.operation not in ("*", request.operation) or self.path not in request.path:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass
class Proxy:
    """A running proxy."""

    upstream: int
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """URL of AWS behind the proxy."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def injected(self, fault: Fault, operation: str = "*", **options) -> Iterator[Rule]:
        """Injects a fault within the block. The options are fields of `Rule`."""
        rule = Rule(fault, operation, **options)
        with self.lock:
            self.rules.append(rule)
        try:
            yield rule
        finally:
            with self.lock:
                self.rules.remove(rule)

    @contextlib.contextmanager
    def recorded(self) -> Iterator[list[Request]]:
        """Yields a list that has the requests of the block after its end."""
        start, found = len(self.requests), []
        yield found
        found.extend(self.requests[start:])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one connection of a client."""
        # A client that is killed, or gives up, is a part of the tests.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            while request := await read_request(reader):
                with self.lock:
                    self.requests.append(request)
                    fault = next((rule.fault for rule in self.rules if rule.takes(request)), None)
                exchange = Exchange(request, reader, writer, self.upstream)
                if not await (fault.act(exchange) if fault else exchange.answer(await exchange.forward())):
                    break
        writer.close()


@contextlib.contextmanager
def running(upstream: int) -> Iterator[Proxy]:
    """Runs a proxy in front of a port of 127.0.0.1."""
    proxy, loop, ready = Proxy(upstream), asyncio.new_event_loop(), threading.Event()

    async def listen() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(listen())
        loop.run_forever()
        ended = [task for task in asyncio.all_tasks(loop) if task.cancel()]
        loop.run_until_complete(asyncio.gather(*ended, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Reads a request. Returns None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    named = {name.lower(): value for name, value in headers}
    body = await reader.readexactly(int(named.get("content-length", 0)))
    service, operation = classify(method, path, named, body)
    return Request(service, operation, method, path, headers, body)


def classify(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """Returns the service and the operation of a request.

    Hosts read the tables of releases when they are due, so those requests have names of their own.
    """
    if target := headers.get("x-amz-target"):
        service, _, operation = target.partition(".")
        if not service.startswith("DynamoDB_"):
            return (service, operation)
        of_releases = "Release" in json.loads(body).get("TableName", "")
        return ("dynamodb", f"{operation} of releases" if of_releases else operation)
    if MANAGEMENT.search(path):
        return ("@connections", MANAGEMENT_OPERATIONS.get(method, method))
    if "/s3/aws4_request" in headers.get("authorization", ""):
        return ("s3", "ListObjectsV2" if "list-type=2" in path else OBJECT_OPERATIONS.get(method, method))
    action = re.match(rb"Action=(\w+)", body)
    return ("other", action.group(1).decode() if action else method)
