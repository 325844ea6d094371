/**
 * A stream on a network and a clock that are told what to do: `node drive.mjs '{"options": {}, "steps": [[...]]}'`.
 *
 * Each step is a word and what belongs to it.  Printed is each attempt, as [transport, path and query, what is beside],
 * and each event, as [type, detail, state, transport, position]; at the end the state, and how many timers are left.
 * Nothing happens that is not in the steps, and no time passes.
 */
import { client, connect, decompress, print } from "./support.mjs";

const { setImmediate } = globalThis;
const { options = {}, steps } = JSON.parse(process.argv[2]);
const settled = async () => { for (let turns = 0; turns < 10; turns += 1) await new Promise(resolve => setImmediate(resolve)); };

// -- the clock

let nowMs = 0, lastTimer = 0;
const timers = new Map();
globalThis.setTimeout = (callback, delayMs = 0) => {
  timers.set(lastTimer += 1, { callback, atMs: nowMs + delayMs });
  return lastTimer;
};
globalThis.clearTimeout = timer => timers.delete(timer);
Object.defineProperty(globalThis, "performance", { value: { now: () => nowMs } });

async function advance(delayMs) {
  const endMs = nowMs + delayMs;
  for (;;) {
    const due = [...timers].filter(([, { atMs }]) => atMs <= endMs).sort(([, one], [, other]) => one.atMs - other.atMs)[0];
    if (due === undefined) break;
    timers.delete(due[0]);
    nowMs = due[1].atMs;
    due[1].callback();
    await settled();
  }
  nowMs = endMs;
}

// -- the network

const attempts = [];
const pathOf = url => url.replace(/^\w+:\/\/h/, "");

class Socket {
  readyState = 0;
  bufferedAmount = 0;

  constructor(url, protocols) {
    attempts.push(this);
    print(["websocket", pathOf(url), ...protocols]);
  }

  close(code, reason) { print(["closed", code, reason]); }
  send(data) { print(["sent", data]); }
  open(protocol = "") { this.readyState = 1; this.protocol = protocol; this.onopen?.(); }
  say(data) { this.onmessage?.({ data }); }
  end(code, reason = "") { this.readyState = 3; this.onclose?.({ code, reason }); }
}

class Request {
  constructor(url, { headers, signal }) {
    attempts.push(this);
    print([headers.Accept === "text/event-stream" ? "sse" : "poll", pathOf(url), headers["Last-Event-ID"]].filter(Boolean));
    this.answered = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.body = new ReadableStream({ start: controller => { this.controller = controller; } });
    signal.addEventListener("abort", () => {
      if (!this.hasEnded) print(["aborted"]);
      this.fail(signal.reason);
    });
  }

  answer(status, type) {
    const body = status === 204 ? null : this.body;
    this.resolve(new Response(body, { status, headers: { "Content-Type": type } }));
  }

  say(text) { this.controller.enqueue(new TextEncoder().encode(text)); }

  end() {
    this.hasEnded = true;
    this.controller.close();
  }

  fail(error = new TypeError("failed to fetch")) {
    this.reject(error);
    try { this.controller.error(error); } catch { /* it has ended */ }
  }
}

// -- the steps

const network = { onLine: true };
Object.defineProperty(globalThis, "navigator", { value: network, configurable: true });
const stream = connect("ws://h/live", {
  random: () => 0.5, WebSocket: Socket, fetch: (url, init) => new Request(url, init).answered,
  ...options, decompress: options.decompress ? decompress : undefined,
});
for (const type of ["open", "close", "gap", "dropped", "error"]) {
  stream.on(type, ({ detail }) => {
    const shown = type === "error" ? detail.error.message : detail;
    print([type, shown, stream.state, stream.transport, stream.position]);
  });
}
stream.on("message", ({ data }) => print(["message", data, stream.position]));

/** What is done to the last attempt, or to the one before it: `["say", "text"]`, `["say", "text", -2]`. */
const STEPS = {
  advance,
  open: protocol => attempts.at(-1).open(protocol),
  say: (data, index = -1) => attempts.at(index).say(data),
  end: (code, index = -1) => attempts.at(index).end(code),
  answer: (status, type = "text/event-stream") => attempts.at(-1).answer(status, type),
  fail: () => attempts.at(-1).fail(),
  close: (code, reason) => stream.close(code, reason),
  network: isThere => { network.onLine = isThere; },
  send: data => print(["taken", stream.send(data)]),
};
await settled();
for (const [verb, ...values] of steps) {
  await STEPS[verb](...values);
  await settled();
}
print([stream.state, timers.size]);
process.exit();
