/**
 * What the scripts share: the packages and the client, from where the environment has them; a WebSocket that counts.
 *
 * `print` prints one JSON value as a line.  A message is printed as ["text", it] or ["bytes", its hexadecimal digits].
 */
import { createRequire } from "node:module";

const require = createRequire(process.env.SIGIL_MODULES);
export const { WebSocket } = require("ws");
export const { decompress } = require("fzstd");
export const { connect, ...client } = await import(process.env.SIGIL_CLIENT);

/** A WebSocket of `ws` that remembers the last one made, what each has offered, and how many messages have come. */
export class Counting extends WebSocket {
  static last;
  static offers = [];
  count = 0;

  constructor(...args) {
    super(...args);
    Counting.last = this;
    Counting.offers.push(args[1]);
    this.on("message", () => { this.count += 1; });
  }
}

/** The same without compression of its own. */
export class Plain extends Counting {
  constructor(url, protocols, options) {
    super(url, protocols, { ...options, perMessageDeflate: false });
  }
}

export const print = value => console.log(JSON.stringify(value));
export const toPrintable =
  data => typeof data === "string" ? ["text", data] : ["bytes", Buffer.from(data).toString("hex")];

/** Resolved after one turn of the loop. */
export const turn = () => new Promise(resolve => { setImmediate(resolve); });

/** Resolved when something is so. It is looked at after every turn. */
export async function until(condition) {
  while (!condition()) await turn();
}

/** Resolved with the next event of this kind. */
export const once = (stream, type) => new Promise(resolve => {
  const remove = stream.on(type, event => { remove(); resolve(event); });
});

/** Print all events but messages: the type, and the detail. */
export function printEvents(stream) {
  for (const type of ["open", "close", "dropped"]) stream.on(type, ({ detail }) => print([type, detail]));
  stream.on("error", ({ detail }) => print(["error", detail.error.message]));
  return stream;
}

/** Back-off that does not wait, and the delays it was asked for. */
export function hurrying(delays, options = {}) {
  const hurry = (callback, delayMs) => { delays.push(delayMs); return setTimeout(callback, 0); };
  return { WebSocket, random: () => 0.5, setTimeout: hurry, backoff: { firstMs: 100, maxMs: 1000 }, ...options };
}
