"""The clients of the hostile guests: how many, on which event, with how many messages in flight.

Each program of `guests/` is an attack by the shape `Shape()`, or by the shapes in `SHAPES`. The rows of the table are
the doc comments of the programs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .attack import GUEST, Attack, Manifest, Target, register, summary
from .load import EXPECTED, command, drain, flood, open_many, repeat, until_end
from .wire import Socket

SOURCES = Path(__file__).parent / "guests" / "src"
MESSAGE, CONNECT, DISCONNECT, AUTHORIZER = "message", "connect", "disconnect", "authorizer"
PROGRAM = re.compile(r"((?:^///.*\n)+)^pub fn (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Shape:
    """The clients of a program."""

    # Added to the program's name.
    suffix: str = ""
    argument: str = ""
    event: str = MESSAGE
    connections: int = 2
    in_flight: int = 64
    # Number of the attacker's routes that the connections are spread over.
    routes: int = 1
    time: str = "2s"
    memory: str = "64MiB"
    # Commands that run once before the attack.
    before: tuple[str, ...] = ()
    # Clients that join the group which broadcasts go to, and read, or do not.
    readers: int = 0
    sleepers: int = 0
    # True if clients leave without reading the answers, and come again.
    leaves: bool = False
    # True if nobody reads the server's standard error.
    unread_stderr: bool = False
    # Arguments of `tidegate dev`.
    arguments: tuple[str, ...] = ()
    bound: int | None = None


DEFAULT = (Shape(),)
# Events that end in microseconds: fewer are in flight, because the client has a machine to share.
QUICK = (Shape(connections=4, in_flight=4),)
LIFECYCLE = (
    Shape("-on-connect", event=CONNECT, connections=64),
    Shape("-on-disconnect", event=DISCONNECT, connections=64),
    Shape("-in-authorizer", event=AUTHORIZER, connections=64),
)

SHAPES: dict[str, tuple[Shape, ...]] = {
    "nothing": QUICK,
    "spin": (
        Shape("-4-by-64", connections=4),
        Shape("-on-40-routes", connections=64, in_flight=1, routes=40),
        Shape("-and-leave", connections=32, in_flight=8, leaves=True),
        Shape("-for-29-s", connections=8, in_flight=16, time="29s"),
        *LIFECYCLE,
    ),
    "sleep": (
        Shape("-2-by-64-for-29-s", "28500", time="29s"),
        Shape("-on-40-routes-for-29-s", "28500", connections=160, in_flight=4, routes=40, time="29s"),
        Shape("-4-by-64", connections=4),
        Shape("-64-on-lambda", "28500", connections=1, time="29s", arguments=("--lambda",)),
        Shape("-100-ms", "100", connections=16, in_flight=16),
        Shape("-on-connect", "1900", event=CONNECT, connections=256),
        Shape("-on-disconnect", "1900", event=DISCONNECT, connections=256),
        Shape("-in-authorizer", "1900", event=AUTHORIZER, connections=256),
    ),
    "lines": (Shape(), Shape("-with-nobody-reading", connections=2, in_flight=4, unread_stderr=True)),
    "panic": (Shape(), Shape("-with-nobody-reading", connections=2, in_flight=4, unread_stderr=True)),
    "compute": (
        Shape("-900-us", "900", connections=8, in_flight=16),
        Shape("-5-ms", "5000", connections=8, in_flight=16, routes=8),
    ),
    "unreachable": (*QUICK, *(LIFECYCLE)),
    "fill": (Shape("-56-mib", "56"), Shape("-480-mib", "480", memory="512MiB", connections=2, in_flight=4)),
    "copy": (Shape("-56-mib", "56"), Shape("-480-mib", "480", memory="512MiB", connections=2, in_flight=4)),
    "hold": (Shape("-60-mib", "60", connections=4), Shape("-480-mib", "480", memory="512MiB", in_flight=4)),
    "broadcast": (Shape("-to-100-readers", "1000", connections=4, in_flight=4, readers=100),),
    "broadcast_loop": (
        Shape("-to-100-readers", "1000", connections=2, in_flight=2, readers=100),
        Shape("-to-50-that-do-not-read", "100000", connections=2, in_flight=4, sleepers=50),
    ),
    "broadcast_excluding": (Shape(readers=20, in_flight=8),),
    "greet": (Shape("-unread", event=CONNECT, connections=150, sleepers=150),),
    "send_self": (Shape(), Shape("-unread", leaves=True, connections=16, in_flight=4)),
    "query_forever": (Shape(before=("fill_partition",)),),
    "made_up_cursors": (Shape(before=("fill_partition",)),),
    "count_members": (Shape(readers=200, in_flight=16),),
    "list_all": (Shape(readers=200, in_flight=16),),
    "huge_error": (Shape(connections=2, in_flight=16), Shape("-on-connect", event=CONNECT, connections=8)),
    "huge_reply": (Shape(connections=2, in_flight=16),),
    "close_self": (Shape("-on-connect", event=CONNECT, connections=16), Shape("", connections=8, in_flight=1)),
    **dict.fromkeys(
        ("bad_status", "nul_reply", "largest_reply", "echo_back", "enter", "exit", "fill_partition"), QUICK
    ),
}

def programs() -> Iterator[tuple[str, str]]:
    """Yields the name of each program, and the first sentence of its doc comment."""
    for path in sorted(SOURCES.glob("*.rs")):
        for found in PROGRAM.finditer(path.read_text()):
            yield found[2], summary(re.sub(r"^/// ?", "", found[1], flags=re.MULTILINE))


def clients_of(program: str, shape: Shape) -> str:
    """Returns the shape in words, for the table."""
    at = {MESSAGE: "", CONNECT: " on `$connect`", DISCONNECT: " on `$disconnect`", AUTHORIZER: " in the authorizer"}
    words = f"{shape.connections} × {shape.in_flight}" if shape.event == MESSAGE else f"{shape.connections} clients"
    routes = f" on {shape.routes} routes" if shape.routes > 1 else ""
    limit = f", `time = \"{shape.time}\"`" if shape.time != "2s" else ""
    unread = ", nobody reads stderr" if shape.unread_stderr else ""
    given = f", `{' '.join(shape.arguments)}`" if shape.arguments else ""
    return f"{words}{at[shape.event]}{routes}{limit}{unread}{given}"


async def attack(target: Target, program: str, shape: Shape) -> None:
    """Runs a program by the clients of a shape."""
    text = f"{program} {shape.argument}".strip()
    await prepare(target, shape)
    query = {CONNECT: f"do={quote(text)}", DISCONNECT: f"leave={quote(text)}", AUTHORIZER: f"authorize={quote(text)}"}
    crowd = await join_crowd(target, shape)
    if shape.event == MESSAGE:
        await messages(target, text, shape)
    else:
        await repeat(target, target.scaled(shape.connections), lambda _: visit(target, query[shape.event]))
    for socket in crowd:
        socket.reset()


async def prepare(target: Target, shape: Shape) -> None:
    """Runs the commands that come before the attack."""
    for program in shape.before:
        socket = await Socket.open(target.address)
        await socket.text(command(program))
        await anext(socket.messages())
        socket.leave()


async def join_crowd(target: Target, shape: Shape) -> list[Socket]:
    """Opens the clients that broadcasts go to."""
    count = target.scaled(shape.readers or shape.sleepers) if shape.readers or shape.sleepers else 0
    if not count:
        return []
    program = "greet" if shape.event == CONNECT else "enter"
    crowd = await open_many(target, count, f"do={program}")
    if shape.readers:
        for socket in crowd:
            keep(asyncio.create_task(read_all(socket)))
    return crowd


READING: set[asyncio.Task[None]] = set()


def keep(task: asyncio.Task[None]) -> None:
    """Keeps a task alive until it ends."""
    READING.add(task)
    task.add_done_callback(READING.discard)


async def read_all(socket: Socket) -> None:
    with contextlib.suppress(*EXPECTED):
        await drain(socket)


async def messages(target: Target, text: str, shape: Shape) -> None:
    """Keeps messages in flight on each connection. A connection that ends is opened again."""

    async def once(number: int) -> None:
        socket = await Socket.open(target.address)
        message = command(text, number % shape.routes)
        try:
            if shape.leaves:
                for _ in range(shape.in_flight):
                    await socket.text(message)
                await asyncio.sleep(0.05)
                target.tally.add()
            else:
                await flood(target, socket, itertools.repeat(message), shape.in_flight)
        finally:
            socket.reset()

    await repeat(target, target.scaled(shape.connections), once)


async def visit(target: Target, query: str) -> None:
    """Opens a connection and leaves. Whichever way the handshake ends, it is one event."""
    try:
        socket = await Socket.open(target.address, query)
        socket.leave()
    finally:
        target.tally.add()


def add(program: str, title: str, shape: Shape) -> None:
    """Registers a program with one of its shapes."""

    async def run(target: Target) -> None:
        await attack(target, program, shape)

    on_connect = shape.event in (CONNECT, AUTHORIZER)
    register(
        Attack(
            name="guest-" + program.replace("_", "-") + shape.suffix, kind=GUEST, run=run,
            title=f"{title} ({clients_of(program, shape)})",
            manifest=Manifest(
                time=shape.time, memory=shape.memory, authorizer=shape.event in (DISCONNECT, AUTHORIZER),
                disconnect=shape.event == DISCONNECT,
            ),
            shares_connect=on_connect, bound=shape.bound, unread_stderr=shape.unread_stderr,
            arguments=shape.arguments,
        )
    )


def add_all() -> None:
    """Registers all programs."""
    known = dict(programs())
    unknown = SHAPES.keys() - known.keys()
    assert not unknown, f"shapes of programs that do not exist: {unknown}"
    for program, title in known.items():
        for shape in SHAPES.get(program, DEFAULT):
            add(program, title, shape)
    for name in ("huge_context", "many_fields", "deny"):
        add(name, f"The authorizer returns {AUTHORIZER_TITLES[name]}", Shape(event=AUTHORIZER, connections=16))


AUTHORIZER_TITLES = {
    "huge_context": "a context of 16 MiB", "many_fields": "a context of 100,000 values", "deny": "a refusal",
}

add_all()
