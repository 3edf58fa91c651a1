// Opens pages in a real browser, lets each try to reach a running `tidegate dev`, and prints the outcomes as JSON.
//
// Usage: node browser.mjs SETTINGS, where SETTINGS is a JSON object with `chromium` (the path of the browser),
// `libraries` (the folder of its libraries), `port` (of the gateway), `token` and `connection`.

import http from "node:http";
import { chromium } from "playwright-core";

const { chromium: executablePath, libraries, port, token, connection } = JSON.parse(process.argv[2]);
// Every name ends at this machine, as a name whose owner points it at 127.0.0.1.
const FOREIGN = "evil.example";

// Runs in the page. `host` is the name under which the page calls the gateway.
async function attempt({ host, port, token, connection }) {
  const socket = await new Promise((resolve) => {
    const opened = new WebSocket(`ws://${host}:${port}/dev?token=${token}`);
    opened.addEventListener("open", () => resolve("open"));
    opened.addEventListener("error", () => resolve("refused"));
  });
  // The status of the response, or `blocked` if the browser does not let the page read a response or send the request.
  const call = async (path, options) => {
    try {
      const response = await fetch(`http://${host}:${port}${path}`, options);
      return response.type === "opaque" ? "opaque" : response.status;
    } catch {
      return "blocked";
    }
  };
  const path = `/dev/@connections/${encodeURIComponent(connection)}`;
  const authorization =
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/execute-api/aws4_request, " +
    "SignedHeaders=host;x-amz-date, Signature=0";
  const headers = { authorization, "x-amz-date": "20260101T000000Z" };
  return {
    origin: location.origin,
    socket,
    token: await call("/dev/token"),
    post: await call(path, { method: "POST", body: '{"type":"forged"}', headers }),
    simplePost: await call(path, { method: "POST", body: '{"type":"forged"}', mode: "no-cors" }),
    remove: await call(path, { method: "DELETE", headers }),
    get: await call(path, { headers }),
  };
}

const server = http.createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>A page</title>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const pages = server.address().port;

const browser = await chromium.launch({
  executablePath,
  env: { ...process.env, LD_LIBRARY_PATH: libraries },
  args: [`--host-resolver-rules=MAP ${FOREIGN} 127.0.0.1, MAP *.localhost 127.0.0.1`, "--no-sandbox", "--no-zygote"],
});

async function visit(url, host) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  const outcome = await page.evaluate(attempt, { host, port, token, connection });
  await context.close();
  return outcome;
}

const outcomes = {
  foreign: await visit(`http://${FOREIGN}:${pages}/`, "127.0.0.1"),
  // A page of a name that was pointed at this machine: the browser takes the gateway for its origin. Any document of
  // that name has that origin, so the refusal of the gateway itself serves as the page.
  rebound: await visit(`http://${FOREIGN}:${port}/page`, FOREIGN),
  // The gateway under its own name, from the page of a foreign name.
  foreignToLocalhost: await visit(`http://${FOREIGN}:${pages}/`, "localhost"),
  sandboxed: await visit("data:text/html,<!doctype html>", "127.0.0.1"),
  development: await visit(`http://localhost:${pages}/`, "localhost"),
  developmentSubdomain: await visit(`http://app.localhost:${pages}/`, "127.0.0.1"),
};
await browser.close();
server.close();
console.log(JSON.stringify(outcomes));
