import { DurableObject } from "cloudflare:workers";

// The job of the Tidegate routes: choose by `action`, then echo the message or send it to every connection.
export class Room extends DurableObject {
  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, message) {
    if (JSON.parse(message).action === "broadcast") {
      for (const member of this.ctx.getWebSockets()) {
        member.send(message);
      }
    } else {
      socket.send(message);
    }
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
