/**
 * What a client goes through, by name: `node scenarios.mjs NAME ADDRESS [OPTIONS AS JSON]`.
 *
 * Each scenario prints what it sees, one JSON value a line, and ends by itself; the tests compare.
 */
import { Counting, Plain, WebSocket, client, connect, decompress, hurrying, once, print, printEvents, toPrintable, turn,
  until } from "./support.mjs";

/** A stream that has no other transport, for what other transports would only hide. */
const overWebSocket = (address, options) => connect(address, { transports: ["websocket"], ...options });

let decodedCount = 0;
let work = Promise.resolve();

/** A decoder that takes some turns of the loop, the more the earlier a message is. */
async function slowly(bytes) {
  for (let turns = 50 - 5 * decodedCount++; turns > 0; turns -= 1) await turn();
  return decompress(bytes);
}

/** Decoders, by how they take their time. */
const DECODERS = {
  none: undefined,
  sync: bytes => decompress(bytes),
  slow: bytes => work = slowly(bytes),
  throwing: () => { throw new Error("no such frame"); },
  rejecting: async () => { throw new Error("no such frame"); },
  silent: () => undefined,
  hanging: () => new Promise(() => {}),
};

const SOCKETS = { deflate: Counting, plain: Plain, own: undefined };

/** So many messages, as listeners and as a loop receive them. */
async function messages(address, { decoder = "none", socket = "deflate", count, ...options }) {
  const stream = overWebSocket(address, { ...options, decompress: DECODERS[decoder], WebSocket: SOCKETS[socket] });
  printEvents(stream);
  const received = [];
  stream.on("message", ({ data }) => received.push(toPrintable(data)));
  const looped = [];
  for await (const message of stream) if (looped.push(toPrintable(message)) === count) break;
  print(["extensions", Counting.last.extensions]);
  print(["looped", ...looped]);
  print(["same", JSON.stringify(received) === JSON.stringify(looped)]);
  stream.close();
  await stream.closed;
}

/** Tells everything until the server closes for good. */
async function watch(address, { decoder = "none", socket = "deflate", ...parameters }) {
  const backoff = { firstMs: 10, maxMs: 20 };
  const options = { WebSocket: SOCKETS[socket], decompress: DECODERS[decoder], backoff, ...parameters };
  const stream = printEvents(overWebSocket(address, options));
  for await (const message of stream) print(["message", message]);
  print(["state", stream.state]);
}

/**
 * Everything until "that is all", over whatever transports: each event, and at the end what a listener and a loop have
 * received.  A loop that is slow, or a decoder, must not change the order.
 */
async function exact(address, { decoder = "none", socket = "deflate", ...parameters }) {
  const options = { WebSocket: SOCKETS[socket], decompress: DECODERS[decoder], backoff: { firstMs: 5, maxMs: 20 } };
  const stream = printEvents(connect(address, { ...options, ...parameters }));
  const [received, looped, positions] = [[], [], []];
  stream.on("gap", ({ detail }) => print(["gap", detail]));
  stream.on("message", ({ data }) => { received.push(String(toPrintable(data))); positions.push(stream.position); });
  for await (const data of stream) {
    looped.push(String(toPrintable(data)));
    if (String(data) === "that is all") break;
  }
  print(["exact", received, JSON.stringify(received) === JSON.stringify(looped), positions]);
  stream.close();
  await stream.closed;
}

/** The first delays that are asked for. */
async function delays(address, { count, backoff = {}, decoder = "none" }) {
  const asked = [];
  const options = hurrying(asked, { decompress: DECODERS[decoder] });
  Object.assign(options.backoff, backoff);
  const stream = overWebSocket(address, options);
  stream.on("close", () => { if (asked.length === count) stream.close(); });
  await stream.closed;
  print(asked);
}

/** Every event until the connection has ended so many times, and then what was offered in each handshake. */
async function ends(address, { count, decoder = "none", ...parameters }) {
  const backoff = { firstMs: 10, maxMs: 10 };
  const options = { WebSocket: Counting, decompress: DECODERS[decoder], random: () => 0.5, backoff, ...parameters };
  const stream = printEvents(overWebSocket(address, options));
  let endCount = 0;
  stream.on("close", () => { if (++endCount === count) stream.close(); });
  await stream.closed;
  print(["offered", ...Counting.offers]);
}

/** A connection on which something is received again and again, for five times as long as it may be silent. */
async function exchange(address, { silenceMs }) {
  const stream = printEvents(overWebSocket(address, { WebSocket, silenceMs }));
  stream.on("message", ({ data }) => stream.send(data));
  await once(stream, "open");
  const startMs = performance.now();
  stream.send("go on");
  await until(() => performance.now() - startMs > 5 * silenceMs);
  print(stream.state);
  stream.close();
  await stream.closed;
}

/** Held up for longer than it may be silent, while the first answer comes: the deadline is found before that. */
async function heldUp(address, { silenceMs, count }) {
  const stream = printEvents(overWebSocket(address, { WebSocket, silenceMs }));
  let receivedCount = 0;
  stream.on("message", ({ data }) => {
    if (++receivedCount < count) stream.send(data);
    else stream.close();
  });
  await once(stream, "open");
  stream.send("are you there?");
  const startMs = performance.now();
  while (performance.now() - startMs < 3 * silenceMs);
  await stream.closed;
  print(receivedCount);
}

/** Closed while the handshake is not answered and while nothing is sent. A forgotten timer would keep the process. */
async function noTimers(silent, { echo }) {
  const longMs = { handshakeMs: 1e9, silenceMs: 1e9, decodeMs: 1e9, closeMs: 1e9 };
  const options = { WebSocket, decompress: DECODERS.hanging, ...longMs };
  const [waiting, open, decoding] = [silent, echo, echo].map(address => overWebSocket(address, options));
  await Promise.all([once(open, "open"), once(decoding, "open")]);
  decoding.send("x".repeat(300));
  for (const stream of [waiting, open, decoding]) stream.close();
  print((await Promise.all([waiting, open, decoding].map(stream => stream.closed))).map(({ code }) => code));
}

/** What becomes of a stream that is closed with each of these codes. */
async function codes(address, { codes: list }) {
  for (const code of list) {
    const stream = overWebSocket(`${address}?code=${code}`, { WebSocket });
    const { detail } = await once(stream, "close");
    print([detail.code, detail.reason, detail.willRetry, stream.state]);
    stream.close();
    print([(await stream.closed).willRetry, stream.state]);
  }
}

/** Two loops, of which one does not take anything until all has come. */
async function slowLoop(address, { count, maxQueuedMessages }) {
  const stream = overWebSocket(address, { WebSocket, maxQueuedMessages });
  const totals = [];
  stream.on("dropped", ({ detail }) => totals.push(detail.total));
  let receivedCount = 0;
  stream.on("message", () => { receivedCount += 1; });
  const slow = stream[Symbol.asyncIterator]();
  const quick = [];
  for await (const message of stream) if (quick.push(parseInt(message)) === count) break;
  await until(() => receivedCount === count);
  const taken = [];
  for (let left = maxQueuedMessages; left > 0; left -= 1) taken.push(parseInt((await slow.next()).value));
  print({ quick, taken, totals, dropped: stream.dropped });
  const last = slow.next();
  stream.close();
  print([await last, await slow.next(), await stream[Symbol.asyncIterator]().next()].map(result => result.done));
  await stream.closed;
  print((await stream[Symbol.asyncIterator]().next()).done);
}

/** Closed at the third of many messages that come together. */
async function silence(address, { decoder }) {
  const stream = overWebSocket(address, { WebSocket: Counting, decompress: DECODERS[decoder] });
  const loop = stream[Symbol.asyncIterator]();
  const received = [];
  stream.on("message", ({ data }) => {
    if (received.push(parseInt(data)) === 3) stream.close();
  });
  await stream.closed;
  await work.then(turn);
  print([received, (await loop.next()).done]);
}

/** Closed by another listener while the decoder is at work. */
async function silenceAtWork(address) {
  const stream = overWebSocket(address, { WebSocket, decompress: DECODERS.slow });
  stream.on("message", () => print("received"));
  await once(stream, "open");
  stream.send("x".repeat(300));
  await until(() => decodedCount === 1);
  stream.close();
  await stream.closed;
  await work.then(turn);
  print(decodedCount);
}

/** A decoder that takes nothing until all has come. */
async function slowDecoder(address, { count, maxQueuedMessages }) {
  let open;
  const gate = new Promise(resolve => { open = resolve; });
  const slow = async bytes => { await gate; return decompress(bytes); };
  const stream = overWebSocket(address, { WebSocket: Counting, decompress: slow, maxQueuedMessages, silenceMs: 0, resume: false });
  await until(() => Counting.last?.count === count);
  const dropped = stream.dropped;
  const received = [];
  stream.on("message", ({ data }) => received.push(parseInt(data)));
  open();
  await until(() => received.length === count - dropped);
  print({ dropped, received });
  stream.close();
  await stream.closed;
}

/** Closed, and the events after it. */
async function undecodable(address, { decoder }) {
  const stream = printEvents(overWebSocket(address, { WebSocket, decompress: DECODERS[decoder] }));
  for await (const message of stream) print(["message", ...toPrintable(message)]);
  await stream.closed;
}

/** A server that closes while the decoder is at work: messages first, then the close. */
async function lateEnd(address) {
  const isClosed = () => Counting.last.readyState === WebSocket.CLOSED;
  const slow = async bytes => { await until(isClosed); return decompress(bytes); };
  const stream = overWebSocket(address, { WebSocket: Counting, decompress: slow });
  stream.on("message", ({ data }) => print(parseInt(data)));
  const { detail } = await once(stream, "close");
  print(detail.code);
  stream.close();
}

/** A decoder that ends when what it was given has been dropped already. */
async function tooLate(address) {
  let open;
  const gate = new Promise(resolve => { open = resolve; });
  const late = async bytes => { await gate; return decompress(bytes); };
  const stream = printEvents(overWebSocket(address, { WebSocket, decompress: late, decodeMs: 50 }));
  stream.on("message", () => print("received"));
  stream.on("dropped", () => open());
  await stream.closed;
  await turn();
  print(stream.dropped);
}

/** A decoder that never ends does not hold up who closes. */
async function hangingDecoder(address) {
  const stream = overWebSocket(address, { WebSocket: Counting, decompress: () => new Promise(() => {}) });
  await until(() => Counting.last?.readyState === WebSocket.CLOSED);
  print(stream.state);
  stream.close();
  print(await stream.closed);
}

/** Aborted before, while and after it connects, and while it waits. */
async function abort(address, { refused, socket = "deflate" }) {
  const WebSocket = SOCKETS[socket];
  const aborted = overWebSocket(address, { WebSocket: Counting, signal: AbortSignal.abort() });
  print([aborted.state, await aborted.closed, aborted.state, Counting.last === undefined]);
  const moments = [
    [address, stream => once(stream, "open")],
    [address, () => {}],
    [refused, stream => once(stream, "close")],
  ];
  for (const [where, moment] of moments) {
    const controller = new AbortController();
    const backoff = { firstMs: 1e6, maxMs: 1e6 };
    const stream = overWebSocket(where, { WebSocket, signal: controller.signal, backoff, random: () => 1 });
    const errors = [];
    const loop = stream[Symbol.asyncIterator]().next();
    await moment(stream);
    stream.on("error", ({ detail }) => errors.push(detail.error.message));
    const before = stream.state;
    controller.abort();
    print([before, stream.state, (await loop).done, (await stream.closed).willRetry, stream.state, errors]);
  }
}

/** Nothing is kept for later. */
async function send(address) {
  const stream = overWebSocket(address, { WebSocket });
  print(stream.send("too early"));
  await once(stream, "open");
  for (const closeArgs of [[1001], [2999], [5000], [3000, "\u00fc".repeat(62)]]) {
    try {
      stream.close(...closeArgs);
    } catch (error) {
      print([error.constructor.name, error.message, stream.state]);
    }
  }
  const answers = stream[Symbol.asyncIterator]();
  print([stream.send("hello"), toPrintable((await answers.next()).value)]);
  print([stream.send(new Uint8Array([1, 2])), toPrintable((await answers.next()).value), stream.bufferedAmount]);
  stream.close(4001, "enough");
  print([stream.send("too late"), await stream.closed, stream.send("too late")]);
}

/** Listeners that throw, and one that was taken away. */
async function listeners(address) {
  const stream = overWebSocket(address, { WebSocket });
  stream.on("message", () => { throw new Error("first oops"); });
  stream.on("message", async () => { throw new Error("second oops"); });
  const received = [];
  const remove = stream.on("message", ({ data }) => { received.push(data); remove(); });
  stream.addEventListener("message", ({ data }) => received.push(data));
  await once(stream, "open");
  stream.send("a");
  await once(stream, "message");
  stream.send("b");
  await once(stream, "message");
  print(received);
  stream.close();
  await stream.closed;
}

/** Ways to close a stream, and to wait until it is. Where the language has no `await using`, `close` stands for it. */
const WAYS = {
  close: stream => stream.close(1000, "enough"),
  abort: (_, controller) => controller.abort(),
  dispose: stream => Symbol.asyncDispose ? stream[Symbol.asyncDispose]() : stream.close(),
};

/** All ways at once to close, when the server answers nothing any more: the events, and whether it was in time. */
async function unanswered(address, { ways, socket = "plain", minMs, maxMs, ...options }) {
  await Promise.all(ways.map(async way => {
    const controller = new AbortController();
    const stream = overWebSocket(address, { ...options, WebSocket: SOCKETS[socket], signal: controller.signal });
    await once(stream, "open");
    const printed = [];
    for (const type of ["error", "close"]) stream.on(type, ({ detail }) => printed.push([type, detail]));
    const loop = stream[Symbol.asyncIterator]().next();
    const startMs = performance.now();
    await WAYS[way](stream, controller);
    const { done } = await loop;
    await stream.closed;
    const tookMs = performance.now() - startMs;
    print([done, printed, stream.state, tookMs > minMs - 1 && tookMs < maxMs || tookMs]);
  }));
}

/** A WebSocket that opens all the same when it is closed before. */
class Late extends WebSocket {
  close(...args) {
    if (this.readyState === WebSocket.CONNECTING) this.once("open", () => super.close(...args));
    else super.close(...args);
  }
}

/** A WebSocket that reports its close at once when it is closed before it opens, as that of node 24 does. */
class Early extends WebSocket {
  close(...args) {
    const isEarly = this.readyState === WebSocket.CONNECTING;
    super.close(...args);
    if (isEarly) this.onclose({ code: 1006, reason: "" });
  }
}

/** Closed with a WebSocket that reports it at once: listeners added then are called, and no timer keeps the process. */
async function earlyEnd(address) {
  const stream = overWebSocket(address, { WebSocket: Early, closeMs: 1e9 });
  stream.close();
  print(stream.state);
  stream.on("close", ({ detail }) => print(detail.code));
  await stream.closed;
}

/** Closed before it opens, with a WebSocket that opens all the same. */
async function lateOpen(address, options) {
  const stream = printEvents(overWebSocket(address, { ...options, WebSocket: Late }));
  stream.close();
  await stream.closed;
}

/** Closed by the first listener after so many events: what the others and loops receive. */
async function closedByListener(address, { type, count, decoder = "none", ...options }) {
  const stream = overWebSocket(address, { WebSocket, ...options, decompress: DECODERS[decoder] });
  const behind = [stream[Symbol.asyncIterator](), stream[Symbol.asyncIterator]()];
  let eventCount = 0;
  stream.on(type, () => { if (++eventCount === count) stream.close(); });
  const received = [];
  stream.on("message", ({ data }) => received.push(parseInt(data)));
  stream.addEventListener(type, () => print([type, stream.state]));
  stream.on("close", ({ detail }) => print(["close", detail.willRetry]));
  const looped = [];
  for await (const message of stream) looped.push(parseInt(message));
  await stream.closed;
  const isSame = JSON.stringify(received.slice(0, looped.length)) === JSON.stringify(looped);
  print([received, isSame, ...await Promise.all(behind.map(async loop => (await loop.next()).done))]);
}

/** Closed when the server has closed for good already, and a loop is behind. */
async function closedTwice(address) {
  const stream = overWebSocket(address, { WebSocket });
  const loop = stream[Symbol.asyncIterator]();
  await stream.closed;
  print(parseInt((await loop.next()).value));
  stream.close();
  print([stream.state, (await loop.next()).done]);
}

/** A loop that is left by hand, with a last word. */
async function leave(address) {
  const stream = overWebSocket(address, { WebSocket });
  const loop = stream[Symbol.asyncIterator]();
  const next = loop.next();
  print(await Promise.all([loop.return("a word"), next, loop.return(Promise.resolve("another")), loop.return()]));
  print(await loop.return(Promise.reject(new Error("oops"))).catch(error => error.message));
  async function* through() { return yield* loop; }
  print(await through().return("through"));
  stream.close();
  await stream.closed;
}

/** `using` and `await using`, as far as the language has them. */
async function dispose(address) {
  const [one, other] = [overWebSocket(address, { WebSocket }), overWebSocket(address, { WebSocket })];
  await Promise.all([once(one, "open"), once(other, "open")]);
  if (Symbol.dispose) one[Symbol.dispose]();
  else one.close();
  print(one.state);
  if (Symbol.asyncDispose) await other[Symbol.asyncDispose]();
  else other.close();
  print((await other.closed).code);
  await one.closed;
}

/** What a browser reports of the network; `address` is refused whenever it is asked. */
async function offline(address) {
  const browser = new EventTarget();
  globalThis.addEventListener = browser.addEventListener.bind(browser);
  globalThis.removeEventListener = browser.removeEventListener.bind(browser);
  const network = { onLine: false };
  Object.defineProperty(globalThis, "navigator", { value: network, configurable: true });
  const here = new URL(address);
  class Elsewhere extends WebSocket {  // the address is that of another machine, and leads to this one
    constructor(url, protocols) { super(url.replace("robot.example", here.host), protocols); }
  }
  const delays = [];
  // One that is forgotten keeps the process, and the test that waits for its end.
  const hardlyEver = (callback, delayMs) => { delays.push(delayMs); return setTimeout(callback, 1e9); };
  const options = { WebSocket: Elsewhere, setTimeout: hardlyEver, random: () => 0.5 };

  const stream = overWebSocket(`ws://robot.example${here.pathname}`, options);
  print((await once(stream, "close")).detail);
  print([stream.state, delays]);
  browser.dispatchEvent(new Event("online"));
  print(stream.state);
  network.onLine = true;
  browser.dispatchEvent(new Event("online"));
  print(stream.state);
  print((await once(stream, "close")).detail.retryMs);
  browser.dispatchEvent(new Event("online"));
  print([stream.state, delays]);
  stream.close();
  await stream.closed;
  browser.dispatchEvent(new Event("online"));
  print(stream.state);

  network.onLine = false;
  const own = overWebSocket(address, { ...options, WebSocket });
  print((await once(own, "close")).detail.retryMs);
  own.close();
}

/** Somebody looks at the page while it waits for a long time; `address` is refused whenever it is asked. */
async function looking(address) {
  const page = globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const look = state => {
    page.visibilityState = state;
    page.dispatchEvent(new Event("visibilitychange"));
  };
  const stream = overWebSocket(address, { WebSocket, random: () => 1, backoff: { firstMs: 1e9, maxMs: 1e9 } });
  await once(stream, "close");
  look("hidden");
  print(stream.state);
  look("visible");
  print(stream.state);
  look("visible");
  await once(stream, "close");
  stream.close();
  await stream.closed;
  look("visible");
  print(stream.state);
}

/** What a function of the module gives, or the message of what it throws: a list of [name, arguments]. */
async function pure(_, { calls }) {
  for (const [name, ...values] of calls) {
    try {
      print(name === "connect" ? connect(...values).state : client[name](...values));
    } catch (error) {
      print([error.constructor.name, error.message]);
    }
  }
}

/** The table of the state machine, with the names of its functions. */
async function table() {
  for (const [state, event, guard, act, after] of client.TABLE) print([state, event, guard.name, act.name, after]);
}

/** The delays after so many failures, for three numbers. */
async function jitter(_, { count }) {
  const backoff = { firstMs: 100, maxMs: 1000, factor: 2 };
  const delays = failures => [0, 0.25, 0.999].map(number => client.delayMs(failures, backoff, () => number));
  print(Array.from({ length: count }, (_, failures) => delays(failures)));
}

const SCENARIOS = { messages, exact, watch, delays, codes, slowLoop, slowDecoder, silence, silenceAtWork, undecodable, lateEnd,
  hangingDecoder, abort, send, listeners, dispose, offline, pure, table, jitter,
  ends, exchange, heldUp, noTimers, tooLate, looking, unanswered, lateOpen, earlyEnd, closedByListener, closedTwice,
  leave };
const [name, address, options = "{}"] = process.argv.slice(2);
await SCENARIOS[name](address, JSON.parse(options));
