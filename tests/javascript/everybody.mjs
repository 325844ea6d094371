/**
 * Clients in node, all at once, of every encoding: `node everybody.mjs ws://host:port/all http://host:port/all`.
 *
 * Each receives until the text "that is all" and then prints [its name, what it received]; a message is printed as its
 * kind, its length in bytes and a sum over them.  `ws` and `fetch` are others' code, so what is compared is not our own
 * reading.
 */
import { connect, decompress, Plain, print, WebSocket } from "./support.mjs";

const [streamUrl, eventsUrl] = process.argv.slice(2);
const END = "that is all";

/** A message as the test writes it: `text 5 1234`. */
function brief(data) {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
  const sum = bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 7);
  return `${typeof data === "string" ? "text" : "bytes"} ${bytes.length} ${sum}`;
}

/** Receive with `ws` alone. */
function receive(name, options) {
  const socket = new WebSocket(streamUrl, options);
  const received = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    received.push(brief(message));
    if (message === END) {
      print([name, received]);
      socket.close();
    }
  });
}

/** Receive with sigil's client, whose decoder is `fzstd`. */
async function receiveCompressed(name) {
  const stream = connect(streamUrl, { decompress, WebSocket: Plain });
  const received = [];
  for await (const data of stream) {
    received.push(brief(data));
    if (data === END) break;
  }
  print([name, received]);
  stream.close();
}

/** Receive the events, read by hand from the body of an answer. */
async function receiveEvents(name) {
  const controller = new AbortController();
  const response = await fetch(eventsUrl, { signal: controller.signal });
  const received = [];
  let text = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const lines = event.split("\n").filter(line => line.startsWith("data: ")).map(line => line.slice(6));
      if (lines.length) received.push(brief(lines.join("\n")));
    }
    if (received.at(-1) === brief(END)) break;
  }
  print([name, received]);
  controller.abort();
}

receive("ws plain", { perMessageDeflate: false });
receive("ws deflate", {});
receive("ws deflate 9", { perMessageDeflate: { serverMaxWindowBits: 9 } });
receiveCompressed("sigil-client in node, Zstandard");
receiveEvents("fetch in node, events");
