import { DurableObject } from "cloudflare:workers";

// Text that is overwritten, as in the other peers. Replies have the form of the tests' guest `version`.
const VERSION = "VERSION-0000000000";

export class Room extends DurableObject {
  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, message) {
    socket.send(JSON.stringify({ kind: "reply", version: VERSION, sequence: Number(message) }));
  }

  webSocketClose(socket, code) {
    // 1005 and 1006 mean that no code was received; they must not be sent.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }
}

export default {
  fetch(request, env) {
    return env.ROOM.get(env.ROOM.idFromName("room")).fetch(request);
  },
};
