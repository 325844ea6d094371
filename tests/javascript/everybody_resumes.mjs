/**
 * Clients in node that lose their connections and go on where they were: `node everybody_resumes.mjs ADDRESS`.
 *
 * Each prints [its name, "here"] when it is connected, and again each time it is back; and at the end [its name, what it
 * has received], as kind and content; what nobody has caught is printed as a failure of all.  `ws` and `fetch` are
 * others' code, which only repeats the position that it is told.
 */
import { connect, decompress, Plain, print, WebSocket } from "./support.mjs";

const [streamUrl] = process.argv.slice(2);
const eventsUrl = streamUrl.replace("ws:", "http:");
const END = "that is all";
const brief = data => typeof data === "string" ? `text ${data}` : `bytes ${Buffer.from(data).toString("hex")}`;

/** With `ws` alone: a text that begins with NUL is a position. */
function receive(name, options, received = [], after = "") {
  const socket = new WebSocket(`${streamUrl}?after=${after}`, options);
  let next = null;
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? "" : data.toString();
    const [, kind, position] = /^\0(position|next|gap):(.*)$/.exec(text) ?? [];
    if (kind === "position") print([name, "here"]);
    if (kind === "gap") print([name, "gap"]);
    if (kind === "position") after = position;
    else if (kind === "next") next = position;
    else {
      received.push(brief(isBinary ? data : text));
      after = next;
      if (text === END) socket.close();
    }
  });
  socket.on("close", () => {
    if (received.at(-1) === brief(END)) print([name, received]);
    else receive(name, options, received, after);
  });
}

/**
 * With `fetch`, read by hand: the id of an event is the position.  It asks again when it fails, too: a connection that it
 * has kept, from a long-poll say, may be closed while it asks (RFC 9112, section 9.3.1).
 */
async function receiveEvents(name) {
  const received = [];
  let after = "";
  while (received.at(-1) !== brief(END)) {
    try {
      await receiveOnce();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  print([name, received]);

  async function receiveOnce() {
    const response = await fetch(eventsUrl, { headers: { Accept: "text/event-stream", "Last-Event-ID": after } });
    let text = "";
    print([name, "here"]);
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const events = (text + piece).split("\n\n");
      text = events.pop();
      for (const event of events) {
        if (event.startsWith("event: gap")) print([name, "gap"]);
        const lines = event.split("\n").filter(line => line.startsWith("data: ")).map(line => line.slice(6));
        if (lines.length) received.push(brief(lines.join("\n")));
        after = /^id: (.*)$/m.exec(event)?.[1] ?? after;
      }
      if (received.at(-1) === brief(END)) break;
    }
  }
}

/** With sigil's client over one transport. */
async function receiveBySigil(name, transport, options = {}) {
  const backoff = { firstMs: 5, maxMs: 20 };
  const stream = connect(streamUrl, { transports: [transport], WebSocket: Plain, backoff, ...options });
  stream.on("open", () => print([name, "here"]));
  stream.on("gap", () => print([name, "gap"]));
  const received = [];
  for await (const data of stream) {
    received.push(brief(data));
    if (data === END) break;
  }
  print([name, received]);
  stream.close();
}

process.on("uncaughtException", error => print(["node", `failed: ${error.stack}`]));

receive("ws plain", { perMessageDeflate: false });
receive("ws deflate", {});
receiveEvents("fetch in node, events");
receiveBySigil("sigil-client in node, Zstandard", "websocket", { decompress });
receiveBySigil("sigil-client in node, events", "sse");
receiveBySigil("sigil-client in node, long-polls", "poll");
