/**
 * Clients in node, all at once, of every encoding: `node everybody.mjs ws://host:port/all http://host:port/all`.
 *
 * Each hears until the text "that is all" and then prints [its name, what it heard]; a message is told by its kind, its
 * length in bytes and a sum over them.  `ws` and `fetch` are others' code, so what is compared is not our own reading.
 */
import { connect, decompress, Plain, say, WebSocket } from "./support.mjs";

const [streamUrl, eventsUrl] = process.argv.slice(2);
const END = "that is all";

/** A message as the test writes it: `text 5 1234`. */
function brief(data) {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
  const sum = bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 7);
  return `${typeof data === "string" ? "text" : "bytes"} ${bytes.length} ${sum}`;
}

/** Hear with `ws` alone. */
function hear(name, options) {
  const socket = new WebSocket(streamUrl, options);
  const heard = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    heard.push(brief(message));
    if (message === END) {
      say([name, heard]);
      socket.close();
    }
  });
}

/** Hear with sigil's client, whose decoder is `fzstd`. */
async function hearSqueezed(name) {
  const stream = connect(streamUrl, { decompress, WebSocket: Plain });
  const heard = [];
  for await (const data of stream) {
    heard.push(brief(data));
    if (data === END) break;
  }
  say([name, heard]);
  stream.close();
}

/** Hear the events, read by hand from the body of an answer. */
async function hearEvents(name) {
  const controller = new AbortController();
  const response = await fetch(eventsUrl, { signal: controller.signal });
  const heard = [];
  let text = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const lines = event.split("\n").filter(line => line.startsWith("data: ")).map(line => line.slice(6));
      if (lines.length) heard.push(brief(lines.join("\n")));
    }
    if (heard.at(-1) === brief(END)) break;
  }
  say([name, heard]);
  controller.abort();
}

hear("ws plain", { perMessageDeflate: false });
hear("ws deflate", {});
hear("ws deflate 9", { perMessageDeflate: { serverMaxWindowBits: 9 } });
hearSqueezed("sigil-client in node, Zstandard");
hearEvents("fetch in node, events");
