/** What the type checker has to accept, and, behind `@ts-expect-error`, to refuse. It is never run. */
import { connect, delayMs, SILENT_CODE, streamUrl } from "../../sigil/browser/sigil-client.js";

const backoff = { firstMs: 1 };
const stream = connect("/live", { topics: ["a"], history: 1, decompress: async bytes => bytes, backoff });
/** @type {"connecting" | "open" | "waiting" | "closing" | "closed"} */
export const state = stream.state;
/** @type {"websocket" | "sse" | "poll"} */
export const transport = stream.transport;
/** @type {string | null} */
export const position = stream.position;
/** @type {() => void} */
export const remove = stream.on("open", ({ detail }) => detail.attempt.toFixed() + detail.protocol.length);
stream.on("close", ({ detail }) => detail.willRetry && detail.retryMs !== null && detail.retryMs.toFixed());
stream.on("error", ({ detail }) => detail.error.message);
stream.on("gap", ({ detail }) => detail.after + detail.position + (detail.missed ?? 0).toFixed());
stream.on("dropped", ({ detail }) => detail.total.toFixed());
stream.on("message", ({ data }) => typeof data === "string" ? data.length : data.byteLength);
for await (const message of stream) if (typeof message === "string") message.trim();
/** @type {boolean} */
export const taken = stream.send(new Uint8Array(3)) && stream.send("text");
/** @type {IteratorResult<string | Uint8Array, string>} */
export const left = await stream[Symbol.asyncIterator]().return?.("a word") ?? { value: "", done: true };
stream.close(1000, "enough");
/** @type {number} */
export const code = (await stream.closed).code;
await stream[Symbol.asyncDispose]();
stream[Symbol.dispose]();
streamUrl("/x", { topics: [] }, "http://a/").length;
delayMs(0, { firstMs: 1, maxMs: 2, factor: 2 }, Math.random).toFixed() + SILENT_CODE.toFixed();
connect("/live", { after: "7-1", resume: true, transports: ["sse", "poll"], sse: "/a", poll: "/b", climbMs: 1, fetch });
connect("/live", { handshakeMs: 1, silenceMs: 0, closeMs: 1, decodeMs: 1, backoff: { steadyMs: 0, firstBusyMs: 1 } });

// @ts-expect-error topics are an array
connect("/live", { topics: "a" });
// @ts-expect-error there is no such option
connect("/live", { topic: ["a"] });
// @ts-expect-error milliseconds are a number
connect("/live", { silenceMs: "5" });
// @ts-expect-error so are those of delays
connect("/live", { backoff: { firstBusyMs: "5" } });
// @ts-expect-error there is no such transport
connect("/live", { transports: ["http"] });
// @ts-expect-error options are an object
connect("/live", null);
// @ts-expect-error there is no such event
stream.on("opened", () => {});
// @ts-expect-error a decoder is given bytes
connect("/live", { decompress: (/** @type {string} */ text) => text });
// @ts-expect-error the state is not for others to set
stream.state = "open";
