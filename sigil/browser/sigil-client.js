/**
 * The client of a sigil stream: a WebSocket that reconnects by itself, for browsers and for node.
 *
 *     import { connect } from "/sigil-client.js";
 *     const stream = connect("/live", { topics: ["height"], history: 10 });
 *     for await (const message of stream) draw(JSON.parse(message));
 *
 * Theory: a `Stream` outlives its connections.  It has at most one `Connection` at a time, which owns one WebSocket and
 * makes messages of what that gives, in order, however long decompression takes.  A connection has one deadline at a
 * time: for the response to its handshake, then, as the server announces or `silenceMs` says, for the next message or
 * heartbeat, then for the answer to its close frame, and after its end for what is not decoded yet.  When a connection
 * ends, a table of close codes decides whether another one is tried, and `delayMs` when.  Messages are received from
 * the stream: with events (`on`, `addEventListener`) or with `for await`, for which each loop has its own `Mailbox`.
 *
 * Rules: nothing here grows without bound: the queue for the decoder and the queue of each loop hold at most
 * `maxQueuedMessages`; beyond that the oldest message is dropped, counted and reported.  Nothing is queued for sending:
 * `send` returns false while there is no connection.  A message that was missed between two connections is lost,
 * unless the program sends a `history`, some of which may then have been received already.  Delays begin afresh only
 * after a connection that has lasted for a while and did not end with 1013: a server that evicts its oldest client
 * accepts the one that takes its place, and both would reconnect for ever.  A listener that throws is reported and does
 * not affect the others.  After `close()` there is no event but the last `close`, also for listeners to the current
 * event that were not called yet; it comes within `closeMs`, whether the server answers or not.
 *
 * Zstandard: with `decompress` the subprotocol `compress-zstd` is offered first.  A server that accepts it sends texts
 * over 200 bytes, and everything binary, as binary frames that hold one Zstandard frame each; which of the two it was
 * cannot be told, so what is UTF-8 is a string and anything else a Uint8Array (`binary: true` gives bytes always).  A
 * browser fails a handshake whose offer is not accepted, and does not report why; an unreachable server looks alike.
 * So the first attempt, and every fourth failure in a row, goes on at once with a second handshake that does not offer;
 * once such a handshake has succeeded, the stream offers no more.  permessage-deflate is the WebSocket's business.
 *
 * It does not know what messages mean, nor what a page looks like; it needs nothing but what browsers have, or node
 * from 18 on (before 22 with the option `WebSocket`; there, keep this file under a name that ends in `.mjs`).
 */

// -- types ------------------------------------------------------------------------------------------------------------

/** @typedef {string | Uint8Array} Message a text, or bytes */
/** @typedef {"connecting" | "open" | "waiting" | "closing" | "closed"} State `waiting`: for the next attempt */
/** @typedef {(bytes: Uint8Array) => Uint8Array | PromiseLike<Uint8Array>} Decompress of one Zstandard frame */
/** @typedef {(data: any) => Message | PromiseLike<Message>} Decode from the data of a WebSocket to a message */
/** @typedef {(callback: () => void, delayMs: number) => any} SetTimeout */
/** @typedef {new (url: string, protocols: string[]) => WebSocket} WebSocketMaker */

/**
 * When to try again.  The n-th delay in a row is anywhere between 0 and `firstMs * factor ** n`, or `maxMs` if less.
 * @typedef {object} Backoff
 * @property {number} firstMs the bound of the first delay; 250
 * @property {number} maxMs the bound of all of them; 30000
 * @property {number} factor how fast the bound grows; 2
 * @property {number} steadyMs delays begin afresh after a connection that has lived so long, unless it is closed with
 *     1013; 5000
 * @property {number} firstBusyMs instead of `firstMs` after a close with 1013, for a server that is full; an
 *     eighth of `maxMs`, but not less than `firstMs`
 */

/**
 * The options of `connect`; each may be left out.
 * @typedef {object} Options
 * @property {string[]} [topics] sent as `?topic=`, once for each
 * @property {number} [history] sent as `?history=`: how many of the last messages the program should send first
 * @property {string | string[]} [protocols] subprotocols to offer
 * @property {Decompress} [decompress] a decoder of Zstandard; with it `compress-zstd` is offered
 * @property {boolean} [binary] every message is a Uint8Array, texts too
 * @property {number} [maxQueuedMessages] messages queued for each loop that is behind, and for the decoder; 1024
 * @property {Partial<Backoff>} [backoff] when to try again
 * @property {number} [handshakeMs] a handshake that is not answered for so long is an attempt that has failed; 15000
 * @property {number} [silenceMs] a connection on which nothing comes for so long is lost, and given up; 0: none is. By
 *     default it is twice the time between two heartbeats, which a server that is asked for them announces
 * @property {number} [closeMs] a `close()` that the server has not answered after so long is over, with code 1006, and
 *     what is still buffered for sending is lost; 3000
 * @property {number} [decodeMs] what is not decoded so long after its connection has ended is dropped; 5000
 * @property {AbortSignal} [signal] closes the stream when it is aborted
 * @property {WebSocketMaker} [WebSocket] used instead of the global one
 * @property {() => number} [random] used instead of `Math.random`
 * @property {SetTimeout} [setTimeout] used instead of the global one to wait for the next attempt; what it returns is
 *     given to `clearTimeout`
 */

/** @typedef {{attempt: number, protocol: string, isReconnect: boolean}} OpenDetail */
/** @typedef {{code: number, reason: string, willRetry: boolean, retryMs: number | null}} CloseDetail */

/**
 * The events of a stream.
 * @typedef {object} Events
 * @property {StreamEvent<OpenDetail>} open a connection is there; `attempt` counts from 1 those that this one took
 * @property {MessageEvent<Message>} message `data` is the message
 * @property {StreamEvent<CloseDetail>} close a connection has ended, or an attempt has failed; the next one begins in
 *     `retryMs`, or, if that is null and `willRetry` is true, when the browser is online again; or sooner, when
 *     the page is shown again or the network is back
 * @property {StreamEvent<{error: Error}>} error why a connection failed, as far as that is known; before its `close`
 * @property {StreamEvent<{total: number}>} dropped messages were dropped; `total` have been so far
 */

export const ZSTD = "compress-zstd";

/** What asks the server for heartbeats: texts that begin as below, with the milliseconds from one to the next. */
const HEARTBEATS = "sigil-heartbeats";
const HEARTBEAT = "\0heartbeat:";
const MISSED_HEARTBEATS = 2;

/** Closes after which it would not get better: 1002 protocol, 1003 data, 1007 content, 1008 policy, 1010 extension. */
export const FINAL_CODES = new Set([1002, 1003, 1007, 1008, 1010]);

/** The close code when `decompress` fails; pages may not use 1007, which would mean the same. */
export const UNDECODABLE_CODE = 4007;

/** The close code when no message was received for `silenceMs`. */
export const SILENT_CODE = 4008;

const LOST_CODE = 1006;
const BUSY_CODE = 1013;
const FALLBACK_EVERY = 4;
const UNDECODABLE = "a message could not be decompressed";
const REASON_MAX = 123;
const OPEN = 1;
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Open a stream.  The first handshake begins at once; events report its outcome.
 * @param {string | URL} url `ws:`, `wss:`, `http:` or `https:`; or relative to the page
 * @param {Options} [options]
 * @returns {Stream & Disposable & AsyncDisposable} the latter two where the language has them
 * @throws {TypeError} for an address that is none and for options that make no sense
 */
export function connect(url, options = {}) {
  return /** @type {any} */ (new Stream(url, options));
}

// -- addresses, delays, options: functions of their arguments ---------------------------------------------------------

/** @type {Record<string, string>} */
const SCHEMES = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" };

/**
 * The address of a WebSocket.  A query that is there stays as it is spelled; a fragment is dropped.
 * @param {string | URL} url
 * @param {{topics?: string[], history?: number}} [parameters]
 * @param {string} [page] what a relative address is relative to
 * @returns {string}
 */
export function streamUrl(url, { topics = [], history } = {}, page = globalThis.location?.href) {
  const address = absolute(String(url), page);
  if (!(address.protocol in SCHEMES)) throw new TypeError(`a stream is at ws, wss, http or https, not at ${address}`);
  address.protocol = SCHEMES[address.protocol];
  address.hash = "";
  const parameters = new URLSearchParams(topics.map(topic => ["topic", topic]));
  if (history !== undefined) parameters.set("history", String(history));
  address.search = [address.search.slice(1), parameters.toString()].filter(Boolean).join("&");
  return address.href;
}

/** @param {string} url @param {string | undefined} page @returns {URL} */
function absolute(url, page) {
  try {
    return new URL(url, page);
  } catch {
    const why = page === undefined ? "there is no page to which it is relative" : `cannot be relative to ${page}`;
    throw new TypeError(`${JSON.stringify(url)} is no absolute address, and ${why}; write ws://host:port/path`);
  }
}

/**
 * How long to wait before the next attempt: exponential back-off with full jitter.
 * @param {number} failureCount how many attempts in a row have come to nothing
 * @param {Pick<Backoff, "firstMs" | "maxMs" | "factor">} backoff
 * @param {() => number} random from 0 up to 1
 * @returns {number} whole milliseconds
 */
export function delayMs(failureCount, { firstMs, maxMs, factor }, random) {
  return Math.round(random() * Math.min(maxMs, firstMs * factor ** failureCount));
}

/** The address of a handshake that asks for heartbeats, if it is they that tell a silent connection from a dead one.
 * @param {string} url @param {number | null} silenceMs @returns {string} */
function withHeartbeats(url, silenceMs) {
  return silenceMs === null ? `${url}${url.includes("?") ? "&" : "?"}${HEARTBEATS}` : url;
}

/** Whether the address is on this machine, which needs no network. @param {string} url @returns {boolean} */
export function isLoopback(url) {
  const { hostname } = new URL(url);
  return /^(.*\.)?localhost$|^127\.|^\[::1\]$/.test(hostname);
}

/** @param {any} value */
const isFunction = value => typeof value === "function";
/** @param {any} value */
const isStrings = value => Array.isArray(value) && value.every(item => typeof item === "string");
/** @param {number} min @returns {(value: any) => boolean} */
const isWhole = min => value => Number.isSafeInteger(value) && value >= min;
/** @param {number} min @returns {(value: any) => boolean} */
const isNumber = min => value => typeof value === "number" && value >= min && value <= LONGEST_TIMEOUT_MS;
/** @param {any} value */
const isRecord = value => typeof value === "object" && value !== null && !Array.isArray(value);

/** What each option has to be. @type {Record<string, [(value: any) => boolean, string]>} */
const RULES = {
  topics: [isStrings, "an array of strings"],
  history: [isWhole(0), "a whole number from 0"],
  protocols: [value => isStrings([value].flat()) && ![value].flat().includes(ZSTD),
    `a string or several, without ${ZSTD}, which is offered if there is "decompress"`],
  decompress: [isFunction, "a function from a Uint8Array to one"],
  binary: [value => typeof value === "boolean", "true or false"],
  maxQueuedMessages: [isWhole(1), "a whole number from 1"],
  backoff: [isRecord, "an object"],
  handshakeMs: [isNumber(1), "a number of milliseconds from 1"],
  silenceMs: [isNumber(0), "a number of milliseconds from 0"],
  closeMs: [isNumber(1), "a number of milliseconds from 1"],
  decodeMs: [isNumber(1), "a number of milliseconds from 1"],
  signal: [value => isFunction(value.addEventListener), "an AbortSignal"],
  WebSocket: [isFunction, "a constructor"],
  random: [isFunction, "a function"],
  setTimeout: [isFunction, "a function"],
};

/** What each part of `backoff` has to be. @type {typeof RULES} */
const BACKOFF_RULES = {
  firstMs: [isNumber(1), "a number of milliseconds from 1"],
  maxMs: [isNumber(1), "a number of milliseconds from 1"],
  factor: [isNumber(1), "a number from 1"],
  steadyMs: [isNumber(0), "a number of milliseconds from 0"],
  firstBusyMs: [isNumber(1), "a number of milliseconds from 1"],
};

const never = () => false;

/** @param {object} options @param {typeof RULES} rules */
function check(options, rules) {
  for (const [name, value] of Object.entries(options)) {
    const [isRight, what] = Object.hasOwn(rules, name) ? rules[name] : [never, `no option; ${Object.keys(rules)} are`];
    if (value !== undefined && (value === null || !isRight(value))) throw new TypeError(`"${name}" is ${what}`);
  }
}

/** Throws for what RFC 6455, 5.5 and 7.4, or browsers do not allow. @param {number} code @param {string} reason */
function checkClose(code, reason) {
  const isRight = code === 1000 || (code >= 3000 && code <= 4999);
  if (!isRight) throw new RangeError(`a stream is closed with 1000, or with 3000 to 4999, not with ${code}`);
  const length = TO_UTF8.encode(reason).length;
  if (length > REASON_MAX) throw new RangeError(`a reason has at most ${REASON_MAX} bytes, not ${length}`);
}

/** Options that were checked, and defaults for those that were left out. @param {Options} options */
function settingsOf(options) {
  if (!isRecord(options)) throw new TypeError('options are an object, such as {topics: ["a"]}');
  check(options, RULES);
  return {
    ...options,
    protocols: [options.protocols ?? []].flat(),
    binary: options.binary ?? false,
    maxQueuedMessages: options.maxQueuedMessages ?? 1024,
    backoff: backoffOf(options.backoff),
    handshakeMs: options.handshakeMs ?? 15_000,
    silenceMs: options.silenceMs ?? null,
    closeMs: options.closeMs ?? 3_000,
    decodeMs: options.decodeMs ?? 5_000,
    WebSocket: options.WebSocket ?? globalWebSocket(),
    random: options.random ?? Math.random,
    setTimeout: options.setTimeout ?? globalThis.setTimeout,
  };
}

/** @param {Partial<Backoff>} [backoff] @returns {Backoff} */
function backoffOf(backoff = {}) {
  check(backoff, BACKOFF_RULES);
  const { firstMs = 250, maxMs = 30_000, factor = 2, steadyMs = 5_000 } = backoff;
  return { firstMs, maxMs, factor, steadyMs, firstBusyMs: backoff.firstBusyMs ?? Math.max(firstMs, maxMs / 8) };
}

/** @typedef {ReturnType<typeof settingsOf>} Settings */

/** @returns {WebSocketMaker} */
function globalWebSocket() {
  if (isFunction(globalThis.WebSocket)) return globalThis.WebSocket;
  throw new TypeError('there is no WebSocket here (node has one from 22 on): give one as the option "WebSocket"');
}

// -- messages ---------------------------------------------------------------------------------------------------------

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const TO_UTF8 = new TextEncoder();

/** @param {Uint8Array} bytes @returns {Message} */
function textIfUtf8(bytes) {
  try {
    return UTF8.decode(bytes);
  } catch {
    return bytes;
  }
}

/** The message in uncompressed data. @param {string | ArrayBuffer} data @returns {Message} */
const plain = data => typeof data === "string" ? data : new Uint8Array(data);

/** @param {Message} message @returns {Uint8Array} */
const asBytes = message => typeof message === "string" ? TO_UTF8.encode(message) : message;

/** @param {any} value @returns {value is PromiseLike<any>} */
const isPromise = value => isFunction(value?.then);

/** The bytes that a decoder returned; throws for anything else. @param {any} bytes @returns {Uint8Array} */
function checkedBytes(bytes) {
  if (bytes instanceof Uint8Array) return bytes;
  throw new TypeError(`"decompress" gave ${bytes === null ? "null" : typeof bytes}, not a Uint8Array`);
}

/**
 * The function that decodes the messages of a connection, by the subprotocol that was negotiated.
 * @param {Pick<Settings, "decompress" | "binary">} settings
 * @param {string} protocol
 * @returns {Decode}
 */
function decoderOf({ decompress, binary }, protocol) {
  const decodePlain = binary ? (/** @type {any} */ data) => asBytes(plain(data)) : plain;
  if (decompress === undefined || protocol !== ZSTD) return decodePlain;
  /** @param {any} bytes @returns {Message} */
  const decode = bytes => binary ? checkedBytes(bytes) : textIfUtf8(checkedBytes(bytes));
  return data => {
    if (typeof data === "string") return decodePlain(data);
    const content = decompress(new Uint8Array(data));
    return isPromise(content) ? content.then(decode) : decode(content);
  };
}

// -- one connection ---------------------------------------------------------------------------------------------------

/**
 * The callbacks of a connection, in the order in which things happen; `ended` comes last.
 * @typedef {object} Observer
 * @property {(connection: Connection) => void} opened
 * @property {(message: Message) => void} received
 * @property {(count: number) => void} dropped the oldest of too many messages in the decoder's queue, or all that were
 *     not decoded in time
 * @property {(error: Error) => void} undecodable no message follows
 * @property {(connection: Connection, error: Error) => void} failed
 * @property {(connection: Connection, code: number, reason: string) => void} ended
 */

/** One WebSocket, its deadline, and the queue of its messages that are not decompressed yet. */
class Connection {
  /** @type {any[]} */ #queue = [];
  /** @type {Decode} */ #decode = plain;
  /** @type {{code: number, reason: string} | null} */ #end = null;
  #isDecoding = false;
  #isOver = false;
  #isDiscarding = false;
  #openedAtMs = 0;
  #receivedAtMs = 0;
  #livedMs = 0;
  /** @type {any} */ #deadline = undefined;
  /** How long it may be silent; 0: for ever. */ #silenceMs = 0;
  hasOpened = false;
  wasGivenUp = false;

  /** @param {string} url @param {boolean} offersZstd @param {Settings} settings @param {Observer} observer */
  constructor(url, offersZstd, settings, observer) {
    const { WebSocket, protocols } = settings;
    this.offersZstd = offersZstd;
    this.socket = new WebSocket(withHeartbeats(url, settings.silenceMs), offersZstd ? [ZSTD, ...protocols] : protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.#opened();
    this.socket.onmessage = event => this.#received(event.data);
    this.socket.onerror = event => this.#failed(errorOf(event, url));
    this.socket.onclose = event => this.#closed(event);
    this.settings = settings;
    this.observer = observer;
    this.#expect(settings.handshakeMs, () => this.#unanswered());
  }

  /** Whether it lasted long enough. That messages came is no sign of it: a server that is full may send some, too. */
  get wasSteady() {
    return this.hasOpened && this.#livedMs >= this.settings.backoff.steadyMs;
  }

  /**
   * Start the closing handshake.  Nothing is reported any more but the end, which comes in `closeMs` at the latest.
   * @param {number} code
   * @param {string} reason
   */
  close(code, reason) {
    const { closeMs } = this.settings;
    this.#isDiscarding = true;
    this.#queue = [];
    this.#expect(closeMs, () => this.#leave(`the close was not answered in ${closeMs} ms`));
    this.socket.onopen = null;
    // Node's own may call this at once; a microtask later, so that the caller can still add listeners.
    this.socket.onclose = event => queueMicrotask(() => this.#closed(event));
    this.socket.close(code, reason);
    queueMicrotask(() => this.#processQueue());
  }

  /** Set the deadline, instead of the one there was. @param {number} delayMs @param {() => void} missed */
  #expect(delayMs, missed) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(missed, delayMs);
  }

  #opened() {
    clearTimeout(this.#deadline);
    this.hasOpened = true;
    this.#openedAtMs = this.#receivedAtMs = performance.now();
    this.#endureSilence(this.settings.silenceMs ?? 0);
    this.#decode = decoderOf(this.settings, this.socket.protocol);
    this.observer.opened(this);
  }

  /** @param {any} data */
  #received(data) {
    if (this.#isDiscarding) return;
    this.#receivedAtMs = performance.now();
    if (typeof data === "string" && data.startsWith(HEARTBEAT)) return this.#heartbeat(data);
    this.#queue.push(data);
    if (this.#queue.length > this.settings.maxQueuedMessages) {
      this.#queue.shift();
      this.observer.dropped(1);
    }
    this.#processQueue();
  }

  /** Report the messages in the queue, up to one that is decompressed asynchronously. */
  #processQueue() {
    while (!this.#isDecoding && this.#queue.length > 0) this.#processMessage(this.#queue.shift());
    if (this.#end !== null && (this.#isDiscarding || !this.#isDecoding)) this.#reportEnd(this.#end);
  }

  /** @param {any} data */
  #processMessage(data) {
    let message;
    try {
      message = this.#decode(data);
    } catch (error) {
      return this.#failedToDecode(error);
    }
    if (isPromise(message)) this.#await(message);
    else this.observer.received(message);
  }

  /** @param {PromiseLike<Message>} promise */
  #await(promise) {
    this.#isDecoding = true;
    /** @param {Message} message */
    const deliver = message => this.#isDiscarding || this.observer.received(message);
    promise.then(deliver, error => this.#failedToDecode(error)).then(() => {
      this.#isDecoding = false;
      this.#processQueue();
    });
  }

  /** @param {unknown} cause */
  #failedToDecode(cause) {
    if (!this.#isDiscarding) this.observer.undecodable(new Error(`${UNDECODABLE}: ${cause}`, { cause }));
  }

  #unanswered() {
    this.#giveUp(`the handshake was not answered in ${this.settings.handshakeMs} ms`);
  }

  /** A heartbeat, which is no message. @param {string} data says when the next one comes */
  #heartbeat(data) {
    if (this.settings.silenceMs !== null || this.#silenceMs > 0) return;
    this.#endureSilence(MISSED_HEARTBEATS * Number(data.slice(HEARTBEAT.length)));
  }

  /** @param {number} silenceMs how long it may be silent from now on */
  #endureSilence(silenceMs) {
    this.#silenceMs = Math.min(silenceMs, LONGEST_TIMEOUT_MS);
    if (this.#silenceMs > 0) this.#expectMessage();
  }

  /** How much longer it may be silent. */
  get #silenceLeftMs() {
    return this.#receivedAtMs + this.#silenceMs - performance.now();
  }

  /** One deadline for many messages: it is set again when it is met, not with each of them. */
  #expectMessage() {
    // After a pause of the program, the timer may run before the messages that came meanwhile: one task more.
    this.#expect(this.#silenceLeftMs, () => this.#expect(0, () => this.#checkSilence()));
  }

  #checkSilence() {
    if (this.#silenceLeftMs > 0) this.#expectMessage();
    else this.#giveUp(`no message was received for ${this.#silenceMs} ms`);
  }

  /** Give up a connection that does not answer. @param {string} why */
  #giveUp(why) {
    this.wasGivenUp = true;
    this.observer.failed(this, new Error(why));
    this.#leave(why);
  }

  /** End now, without waiting for the WebSocket. @param {string} why */
  #leave(why) {
    this.#closed({ code: LOST_CODE, reason: "" });
    this.#closeSocket(why);
  }

  /** @param {string} why */
  #closeSocket(why) {
    /** @type {WebSocket & {terminate?: () => void}} */ const socket = this.socket;
    socket.onopen = socket.onmessage = null;
    socket.close(SILENT_CODE, why);
    // That of `ws` would keep the process for 30 seconds; node's own, which has no such method, keeps it while the
    // server is there.
    socket.terminate?.();
  }

  /** @param {Error} error */
  #failed(error) {
    if (this.#isOver) return;
    this.observer.failed(this, error);
    // Node's own WebSocket does not always report the close of a connection that has not opened.
    if (!this.hasOpened) setTimeout(() => this.#closed({ code: LOST_CODE, reason: "" }), 0);
  }

  /** @param {{code: number, reason: string}} end */
  #closed(end) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#livedMs = performance.now() - this.#openedAtMs;
    this.#end = end;
    this.#expect(this.settings.decodeMs, () => this.#dropRest());
    this.#processQueue();
  }

  /** Drop what the decoder has not finished in time. */
  #dropRest() {
    const count = this.#queue.length + 1;
    this.#isDiscarding = true;
    this.#queue = [];
    this.observer.dropped(count);
    this.#processQueue();
  }

  /** @param {{code: number, reason: string}} end */
  #reportEnd({ code, reason }) {
    this.#end = null;
    clearTimeout(this.#deadline);
    this.observer.ended(this, code, reason);
  }
}

/** The error of an event, which browsers do not give. @param {any} event @param {string} url @returns {Error} */
function errorOf(event, url) {
  return event.error instanceof Error ? event.error : new Error(event.message || `the WebSocket to ${url} failed`);
}

// -- one loop ---------------------------------------------------------------------------------------------------------

/**
 * The queue of one `for await` loop: at most so many messages, or the promises that wait for the next one.
 * @implements {AsyncIterableIterator<Message>}
 */
class Mailbox {
  /** @type {Message[]} */ #messages = [];
  /** @type {((result: IteratorResult<Message, undefined>) => void)[]} */ #waiters = [];
  #isOver = false;
  #maxMessages;
  #left;

  /** @param {number} maxMessages @param {(mailbox: Mailbox) => void} left called when the loop has been left */
  constructor(maxMessages, left) {
    this.#maxMessages = maxMessages;
    this.#left = left;
  }

  /** Make room for one message. @returns {boolean} false if the oldest was dropped for it */
  makeRoom() {
    if (this.#messages.length < this.#maxMessages) return true;
    this.#messages.shift();
    return false;
  }

  /** Resolve a waiting promise, or queue the message; `makeRoom` was called before. @param {Message} message */
  put(message) {
    if (this.#isOver) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter({ value: message, done: false });
    else this.#messages.push(message);
  }

  /** No message will be added; those in the queue are still returned. */
  end() {
    this.#isOver = true;
    for (const waiter of this.#waiters.splice(0)) waiter({ value: undefined, done: true });
  }

  /** @returns {Promise<IteratorResult<Message, undefined>>} */
  next() {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve({ value: message, done: false });
    if (this.#isOver) return Promise.resolve({ value: undefined, done: true });
    return new Promise(resolve => { this.#waiters.push(resolve); });
  }

  /** No message is returned any more, not even those in the queue. */
  leave() {
    this.#messages = [];
    this.end();
    this.#left(this);
  }

  /**
   * The loop was left.
   * @template Value
   * @param {Value | PromiseLike<Value>} [value]
   * @returns {Promise<{value: any, done: true}>} the value, as generators give it
   */
  async return(value) {
    this.leave();
    return { value: await value, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

// -- the stream -------------------------------------------------------------------------------------------------------

/**
 * An event with a detail (`CustomEvent` is not in every node).
 * @template Detail
 */
export class StreamEvent extends Event {
  /** @param {string} type @param {Detail} detail */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

/** A stream of messages that outlives its connections; made by `connect`. */
export class Stream extends EventTarget {
  #settings;
  #observer;
  /** @type {State} */ #state = "connecting";
  /** @type {Connection | null} */ #connection = null;
  /** @type {Set<Mailbox>} */ #mailboxes = new Set();
  /** @type {any} */ #timer = undefined;
  #attemptCount = 0;
  #failureCount = 0;
  #offersZstd;
  #hasOpened = false;
  /** @type {Event | null} */ #dispatching = null;
  #dropped = 0;
  /** @type {(detail: CloseDetail) => void} */ #resolveClosed = () => {};

  /** The address of the WebSocket. @type {string} */
  url;

  /** The detail of the last `close`, once there is one. @type {Promise<CloseDetail>} */
  closed = new Promise(resolve => { this.#resolveClosed = resolve; });

  /** @param {string | URL} url @param {Options} options */
  constructor(url, options) {
    super();
    this.#settings = settingsOf(options);
    this.url = streamUrl(url, this.#settings);
    this.#observer = this.#makeObserver();
    this.#offersZstd = this.#settings.decompress !== undefined;
    if (this.#settings.signal?.aborted) this.#abort();
    else this.#begin();
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** How many messages were dropped because they were not taken in time: by loops, each counted, or by a decoder. */
  get dropped() {
    return this.#dropped;
  }

  /** Bytes that were sent and have not left this machine's program yet. @returns {number} */
  get bufferedAmount() {
    return this.#connection?.socket.bufferedAmount ?? 0;
  }

  /**
   * Add a listener to one kind of event.  One that throws, or whose promise is rejected, is reported and does not
   * affect the others.  (In node, one that was given to `addEventListener` ends the process.)
   * @template {keyof Events} Type
   * @param {Type} type
   * @param {(event: Events[Type]) => unknown} listener
   * @returns {() => void} removes the listener
   */
  on(type, listener) {
    /** @param {any} event */
    const guarded = event => callGuarded(listener, event);
    this.addEventListener(type, guarded);
    return () => this.removeEventListener(type, guarded);
  }

  /**
   * Send a message to the server, now or not at all.
   * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob} data
   * @returns {boolean} false if there is no connection, so that it was not sent
   */
  send(data) {
    const socket = this.#connection?.socket;
    if (this.#state !== "open" || socket?.readyState !== OPEN) return false;
    socket.send(data);
    return true;
  }

  /**
   * Close for good.  Loops end at once; a last `close` follows when the server has answered, and in `closeMs` at the
   * latest.  If a listener calls this, the listeners behind it are not called for the same event.
   * @param {number} [code] 1000, or one from 3000 to 4999
   * @param {string} [reason] at most 123 bytes of UTF-8
   * @throws {RangeError} for others
   */
  close(code = 1000, reason = "") {
    checkClose(code, reason);
    for (const mailbox of this.#mailboxes) mailbox.leave();
    this.#shut(code, reason);
  }

  /** @param {number} code @param {string} reason */
  #shut(code, reason) {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#dispatching?.stopImmediatePropagation();
    if (this.#connection !== null) this.#connection.close(code, reason);
    // There is no end to wait for; a microtask later, so that the caller can still add listeners.
    else queueMicrotask(() => this.#finish(code, reason));
  }

  /** The messages until the last `close`; each loop gets all of them. @returns {AsyncIterableIterator<Message>} */
  [Symbol.asyncIterator]() {
    const mailbox = new Mailbox(this.#settings.maxQueuedMessages, left => this.#mailboxes.delete(left));
    this.#mailboxes.add(mailbox);
    if (this.#state === "closing" || this.#state === "closed") mailbox.leave();
    return mailbox;
  }

  // -- what the connection reports

  /** @returns {Observer} */
  #makeObserver() {
    return {
      opened: connection => this.#opened(connection),
      received: message => this.#received(message),
      dropped: count => this.#drop(count),
      undecodable: error => this.#undecodable(error),
      failed: (connection, error) => this.#failed(connection, error),
      ended: (connection, code, reason) => this.#ended(connection, code, reason),
    };
  }

  #begin() {
    this.#attempt();
    this.#toggleListeners("addEventListener");
  }

  /** Add or remove the global listeners. @param {"addEventListener" | "removeEventListener"} verb */
  #toggleListeners(verb) {
    this.#settings.signal?.[verb]("abort", this.#abort);
    globalThis[verb]?.("online", this.#tryAgain);
    globalThis.document?.[verb]?.("visibilitychange", this.#visibilityChanged);
  }

  /** One more attempt. */
  #attempt() {
    this.#attemptCount += 1;
    this.#connect(this.#offersZstd);
  }

  /** @param {boolean} offersZstd */
  #connect(offersZstd) {
    this.#state = "connecting";
    this.#connection = new Connection(this.url, offersZstd, this.#settings, this.#observer);
  }

  /** @param {Connection} connection */
  #opened({ socket, offersZstd }) {
    this.#state = "open";
    this.#offersZstd = offersZstd;
    const detail = { attempt: this.#attemptCount, protocol: socket.protocol, isReconnect: this.#hasOpened };
    this.#attemptCount = 0;
    this.#hasOpened = true;
    this.#emit("open", detail);
  }

  /** @param {Message} message */
  #received(message) {
    // A listener may close the stream, so loops come last: what was put into a mailbox cannot be taken back.
    for (const mailbox of this.#mailboxes) if (!mailbox.makeRoom()) this.#drop(1);
    const mailboxes = [...this.#mailboxes];
    this.#dispatch(new MessageEvent("message", { data: message }));
    for (const mailbox of mailboxes) mailbox.put(message);
  }

  /** @param {number} count */
  #drop(count) {
    this.#dropped += count;
    this.#emit("dropped", { total: this.#dropped });
  }

  /** Close the stream, since the next message would fail as well. @param {Error} error */
  #undecodable(error) {
    this.#emit("error", { error });
    for (const mailbox of this.#mailboxes) mailbox.end();
    this.#shut(UNDECODABLE_CODE, UNDECODABLE);
  }

  /** @param {Connection} connection @param {Error} error */
  #failed(connection, error) {
    if (!this.#mayFailForItsOffer(connection)) this.#emit("error", { error });
  }

  /** Whether to try without the offer; an unreachable server looks the same. @param {Connection} ended */
  #mayFailForItsOffer({ offersZstd, hasOpened, wasGivenUp }) {
    return offersZstd && !hasOpened && !wasGivenUp && this.#failureCount % FALLBACK_EVERY === 0;
  }

  /** @param {Connection} connection @param {number} code @param {string} reason */
  #ended(connection, code, reason) {
    if (this.#state === "closing" || FINAL_CODES.has(code)) return this.#finish(code, reason);
    if (this.#mayFailForItsOffer(connection)) return this.#connect(false);
    if (connection.wasSteady && code !== BUSY_CODE) this.#failureCount = 0;
    this.#wait(code, reason);
  }

  /** Wait for the next attempt. @param {number} code @param {string} reason */
  #wait(code, reason) {
    this.#connection = null;
    this.#state = "waiting";
    const retryMs = this.#isOffline() ? null : this.#setTimer(code === BUSY_CODE);
    this.#emit("close", { code, reason, willRetry: true, retryMs });
  }

  /** @param {boolean} isBusy whether the server was full @returns {number} the delay */
  #setTimer(isBusy) {
    const { backoff, random, setTimeout } = this.#settings;
    const firstMs = isBusy ? backoff.firstBusyMs : backoff.firstMs;
    const retryMs = delayMs(this.#failureCount, { ...backoff, firstMs }, random);
    this.#failureCount += 1;
    this.#timer = setTimeout(this.#tryAgain, retryMs);
    return retryMs;
  }

  /** Whether an attempt cannot succeed; if so, the browser reports when that has changed. */
  #isOffline() {
    return globalThis.navigator?.onLine === false && !isLoopback(this.url);
  }

  /** The delay is over, or the network is back. */
  #tryAgain = () => {
    if (this.#state !== "waiting" || this.#isOffline()) return;
    clearTimeout(this.#timer);
    this.#attempt();
  };

  /** The page was shown or hidden. */
  #visibilityChanged = () => {
    if (globalThis.document?.visibilityState === "visible") this.#tryAgain();
  };

  #abort = () => this.close(1000, "aborted");

  /** @param {number} code @param {string} reason */
  #finish(code, reason) {
    this.#connection = null;
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#toggleListeners("removeEventListener");
    for (const mailbox of this.#mailboxes) mailbox.end();
    const detail = { code, reason, willRetry: false, retryMs: null };
    this.#emit("close", detail);
    this.#resolveClosed(detail);
  }

  /** @template Detail @param {string} type @param {Detail} detail */
  #emit(type, detail) {
    this.#dispatch(new StreamEvent(type, detail));
  }

  /** Dispatch an event, but none between `close()` and the last `close`. @param {Event} event */
  #dispatch(event) {
    if (this.#state === "closing") return;
    this.#dispatching = event;
    this.dispatchEvent(event);
    this.#dispatching = null;
  }
}

// `using stream = connect(...)` closes at the end of the block; `await using` waits for the last `close` as well.
define(Symbol.dispose, function () { this.close(); });
define(Symbol.asyncDispose, function () { this.close(); return this.closed; });

/** @param {symbol | undefined} symbol undefined where there is none @param {(this: Stream) => unknown} method */
function define(symbol, method) {
  if (symbol !== undefined) Object.defineProperty(Stream.prototype, symbol, { value: method });
}

// -- listeners --------------------------------------------------------------------------------------------------------

/** @param {(event: any) => unknown} listener @param {Event} event */
function callGuarded(listener, event) {
  try {
    const answer = listener(event);
    if (isPromise(answer)) answer.then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/** Report an error as uncaught. @param {unknown} error */
function report(error) {
  if (isFunction(globalThis.reportError)) globalThis.reportError(error);
  else console.error(error);
}
