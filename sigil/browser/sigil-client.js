/**
 * The client of a sigil stream, which reconnects by itself and goes on where it was, for browsers and for node.
 *
 *     import { connect } from "/sigil-client.js";
 *     const stream = connect("/live", { topics: ["height"], history: 10 });
 *     for await (const message of stream) draw(JSON.parse(message));
 *
 * Theory: a `Stream` outlives its connections.  What it does when one opens, ends or says nothing is a table, `TABLE`:
 * by the state and what has happened, which actions follow, and which state; `next` is a pure function of it, and the
 * stream carries out the actions.  The table is written out, with the rules for positions, in docs/reference/client.md.
 * A `Connection` is one attempt over one transport: a WebSocket, an event stream that `fetch` reads, or long-polls.  It
 * makes messages of what the transport gives, in order, however long decompression takes, and has one deadline at a
 * time: for the first word of the server, for the next one, for the answer to a close, and after its end for what is
 * not decoded yet.  Messages are received from the stream: with events (`on`, `addEventListener`) or with `for await`,
 * for which each loop has its own `Mailbox`.
 *
 * Positions: the server says with each message where in its stream the client is then, and a connection asks for what
 * comes behind the last position; so nothing that was published is lost or received twice, on whatever transports, but
 * for what the server has no longer, of which a `gap` tells.  The position moves together with the message, when that
 * is received.  What the program sends to this client alone has no position, and is lost where no connection is.
 *
 * Rules: nothing here grows without bound: the queue for the decoder and the queue of each loop hold at most
 * `maxQueuedMessages`; beyond that the oldest message is dropped, counted and reported.  Nothing is queued for sending:
 * `send` returns false unless a WebSocket is open.  Delays begin afresh only after a connection that has lasted for a
 * while and did not end with 1013: a server that evicts its oldest client accepts the one that takes its place, and
 * both would reconnect for ever.  A listener that throws is reported and does not affect the others.  After `close()`
 * there is no event but the last `close`, also for listeners to the current event that were not called yet; it comes
 * within `closeMs`, whether the server answers or not.
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
/** @typedef {"websocket" | "sse" | "poll"} Transport */
/** @typedef {(bytes: Uint8Array) => Uint8Array | PromiseLike<Uint8Array>} Decompress of one Zstandard frame */
/** @typedef {(data: any) => Message | PromiseLike<Message>} Decode from the data of a transport to a message */
/** @typedef {(callback: () => void, delayMs: number) => any} SetTimeout */
/** @typedef {new (url: string, protocols: string[]) => WebSocket} WebSocketMaker */
/** @typedef {(url: string, init: RequestInit) => Promise<Response>} Fetch */

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
 * @property {number} [history] sent as `?history=`: how many of the last messages the program should send first to
 *     who is new; to who comes back with a position of this server it sends what is behind that instead
 * @property {string} [after] the position behind which it begins: one that `position` gave, of another page say
 * @property {boolean} [resume] false: no positions are asked for, and what is missed between two WebSockets is lost
 * @property {Transport[]} [transports] those to use, the best first; `["websocket", "sse", "poll"]`
 * @property {string} [sse] the address of the event stream, if it is not that of the WebSocket
 * @property {string} [poll] the address of the long-polls, if it is not that of the WebSocket
 * @property {number} [climbMs] how long it stays, at least, with a transport that is not the first, before it tries a
 *     better one a second time; 60000, and twice as long each time, up to an hour
 * @property {string | string[]} [protocols] subprotocols to offer
 * @property {Decompress} [decompress] a decoder of Zstandard; with it `compress-zstd` is offered
 * @property {boolean} [binary] every message is a Uint8Array, texts too
 * @property {number} [maxQueuedMessages] messages queued for each loop that is behind, and for the decoder; 1024
 * @property {Partial<Backoff>} [backoff] when to try again
 * @property {number} [handshakeMs] a connection over which nothing has come after so long is an attempt that has
 *     failed; 15000
 * @property {number} [silenceMs] a connection on which nothing comes for so long is lost, and given up; 0: none is. By
 *     default it is what the server announces: twice the time between two heartbeats, or the time of a long-poll
 * @property {number} [closeMs] a `close()` that the server has not answered after so long is over, with code 1006, and
 *     what is still buffered for sending is lost; 3000
 * @property {number} [decodeMs] what is not decoded so long after its connection has ended is dropped, or asked for
 *     again if it has a position; 5000
 * @property {AbortSignal} [signal] closes the stream when it is aborted
 * @property {WebSocketMaker} [WebSocket] used instead of the global one
 * @property {Fetch} [fetch] used instead of the global one
 * @property {() => number} [random] used instead of `Math.random`
 * @property {SetTimeout} [setTimeout] used instead of the global one to wait for the next attempt; what it returns is
 *     given to `clearTimeout`
 */

/** @typedef {{attempt: number, protocol: string, isReconnect: boolean, transport: Transport}} OpenDetail */
/** @typedef {{code: number, reason: string, willRetry: boolean, retryMs: number | null}} CloseDetail */
/** @typedef {{after: string, position: string, missed: number | null}} Gap */

/**
 * The events of a stream.
 * @typedef {object} Events
 * @property {StreamEvent<OpenDetail>} open a connection is there; `attempt` counts from 1 those that this one took.
 *     Without a `close` before it, the stream has moved to a better transport
 * @property {MessageEvent<Message>} message `data` is the message
 * @property {StreamEvent<CloseDetail>} close a connection has ended, or an attempt has failed; the next one begins in
 *     `retryMs`, or, if that is null and `willRetry` is true, when the browser is online again; or sooner, when
 *     the page is shown again or the network is back
 * @property {StreamEvent<Gap>} gap messages behind `after` are missing, and it goes on behind `position`; `missed` of
 *     them, of all topics, or null where the server cannot know
 * @property {StreamEvent<{error: Error}>} error why a connection failed, as far as that is known; before its `close`
 * @property {StreamEvent<{total: number}>} dropped messages were dropped; `total` have been so far
 */

export const ZSTD = "compress-zstd";

/** What asks the server for heartbeats, which say how long it is from one to the next. */
const HEARTBEATS = "sigil-heartbeats";
const MISSED_HEARTBEATS = 2;
/** An empty long-poll that was answered sooner is followed by the next one after so long. */
const POLL_PAUSE_MS = 1_000;

/** Closes after which it would not get better: 1002 protocol, 1003 data, 1007 content, 1008 policy, 1010 extension. */
export const FINAL_CODES = new Set([1002, 1003, 1007, 1008, 1010]);

/** The close code when `decompress` fails; pages may not use 1007, which would mean the same. */
export const UNDECODABLE_CODE = 4007;

/** The close code when no message was received for `silenceMs`. */
export const SILENT_CODE = 4008;

const LOST_CODE = 1006;
const BUSY_CODE = 1013;
const FALLBACK_EVERY = 4;
/** A transport that is lost so often in a row before it was steady is left for the next one. */
const STRIKES_MAX = 2;
const CLIMB_MAX_MS = 3_600_000;
const UNDECODABLE = "a message could not be decompressed";
const REASON_MAX = 123;
const OPEN = 1;
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Open a stream.  The first attempt begins at once; events report its outcome.
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
/** @type {Record<string, string>} */
const HTTP_SCHEMES = { "ws:": "http:", "wss:": "https:" };

/**
 * The address of a WebSocket.  A query that is there stays as it is spelled; a fragment is dropped.
 * @param {string | URL} url
 * @param {{topics?: string[], history?: number, after?: string}} [parameters]
 * @param {string} [page] what a relative address is relative to
 * @returns {string}
 */
export function streamUrl(url, { topics = [], history, after } = {}, page = globalThis.location?.href) {
  const address = absolute(String(url), page);
  if (!(address.protocol in SCHEMES)) throw new TypeError(`a stream is at ws, wss, http or https, not at ${address}`);
  address.protocol = SCHEMES[address.protocol];
  address.hash = "";
  const parameters = new URLSearchParams(topics.map(topic => ["topic", topic]));
  if (history !== undefined) parameters.set("history", String(history));
  if (after !== undefined) parameters.set("after", after);
  address.search = [address.search.slice(1), parameters.toString()].filter(Boolean).join("&");
  return address.href;
}

/** The address of an event stream or a long-poll, from that of a WebSocket. @param {string} url @returns {string} */
function overHttp(url) {
  const address = new URL(url);
  address.protocol = HTTP_SCHEMES[address.protocol];
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

/** The address with the question for heartbeats. @param {string} url @returns {string} */
const withHeartbeats = url => `${url}${url.includes("?") ? "&" : "?"}${HEARTBEATS}`;

/** Whether the address is on this machine, which needs no network. @param {string} url @returns {boolean} */
export function isLoopback(url) {
  const { hostname } = new URL(url);
  return /^(.*\.)?localhost$|^127\.|^\[::1\]$/.test(hostname);
}

/**
 * Whether a position is not beyond another of the same epoch.  It is `<epoch>-<n>`, or `<epoch>-<n>.<r>` before that,
 * while there is more to come of what is retained.
 * @param {string} position @param {string} other
 * @returns {boolean}
 */
export function isReached(position, other) {
  const [[epoch, ...numbers], [otherEpoch, ...others]] = [position.split(/[-.]/), other.split(/[-.]/)];
  const [number = 0, retained = Infinity] = numbers.map(Number);
  const [otherNumber = 0, otherRetained = Infinity] = others.map(Number);
  return epoch === otherEpoch && (number < otherNumber || (number === otherNumber && retained <= otherRetained));
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

/** @type {Transport[]} */
const TRANSPORTS = ["websocket", "sse", "poll"];
/** @param {any} value */
const isTransports = value => isStrings(value) && value.length > 0 && new Set(value).size === value.length
  && value.every((/** @type {any} */ name) => TRANSPORTS.includes(name));
/** @param {any} value */
const isString = value => typeof value === "string";
/** @param {any} value */
const isBoolean = value => typeof value === "boolean";

/** What each option has to be. @type {Record<string, [(value: any) => boolean, string]>} */
const RULES = {
  topics: [isStrings, "an array of strings"],
  history: [isWhole(0), "a whole number from 0"],
  after: [isString, "a position, as a string"],
  resume: [isBoolean, "true or false"],
  transports: [isTransports, `an array of ${TRANSPORTS.join(", ")}, each at most once`],
  sse: [isString, "an address"],
  poll: [isString, "an address"],
  climbMs: [isNumber(1), "a number of milliseconds from 1"],
  protocols: [value => isStrings([value].flat()) && ![value].flat().includes(ZSTD),
    `a string or several, without ${ZSTD}, which is offered if there is "decompress"`],
  decompress: [isFunction, "a function from a Uint8Array to one"],
  binary: [isBoolean, "true or false"],
  maxQueuedMessages: [isWhole(1), "a whole number from 1"],
  backoff: [isRecord, "an object"],
  handshakeMs: [isNumber(1), "a number of milliseconds from 1"],
  silenceMs: [isNumber(0), "a number of milliseconds from 0"],
  closeMs: [isNumber(1), "a number of milliseconds from 1"],
  decodeMs: [isNumber(1), "a number of milliseconds from 1"],
  signal: [value => isFunction(value.addEventListener), "an AbortSignal"],
  WebSocket: [isFunction, "a constructor"],
  fetch: [isFunction, "a function"],
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
    resume: options.resume ?? true,
    climbMs: options.climbMs ?? 60_000,
    protocols: [options.protocols ?? []].flat(),
    binary: options.binary ?? false,
    maxQueuedMessages: options.maxQueuedMessages ?? 1024,
    backoff: backoffOf(options.backoff),
    handshakeMs: options.handshakeMs ?? 15_000,
    silenceMs: options.silenceMs ?? null,
    closeMs: options.closeMs ?? 3_000,
    decodeMs: options.decodeMs ?? 5_000,
    transports: transportsOf(options),
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
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

/** @param {Options} options @returns {Transport[]} */
function transportsOf({ transports = TRANSPORTS, WebSocket = globalThis.WebSocket }) {
  if (isFunction(WebSocket) || !transports.includes("websocket")) return transports;
  throw new TypeError('there is no WebSocket here (node has one from 22 on): give one as the option "WebSocket"');
}

// -- the state machine: a table, and functions of values --------------------------------------------------------------

/**
 * What a stream knows of its connections: a value.
 * @typedef {object} Machine
 * @property {State} state
 * @property {number} rung which of the transports it is with; 0 is the best
 * @property {number | null} probe which one is tried beside that
 * @property {number} strikes how often in a row this transport was lost before it was steady
 * @property {number} climbs how many better transports were tried since the best one was steady
 * @property {number} attempts since it was open
 * @property {number} failures delays in a row
 * @property {boolean} mayOffer whether Zstandard is offered
 * @property {boolean} offers whether it is in this attempt, or this probe
 * @property {boolean} hasOpened
 */

/** @typedef {Pick<Settings, "transports" | "backoff" | "climbMs">} Rules */
/** @typedef {{type: string, [name: string]: any}} Happening an event of the machine */
/** @typedef {any[]} Action a verb, and what belongs to it */
/** @typedef {(machine: Machine, event: any, rules: Rules) => [Machine, Action[]]} Act */
/** @typedef {(machine: Machine, event: any, rules: Rules) => boolean} Guard */

/** @param {boolean} mayOffer @returns {Machine} */
export const machineOf = mayOffer => ({ state: "waiting", rung: 0, probe: null, strikes: 0, climbs: 0, attempts: 0,
  failures: 0, mayOffer, offers: false, hasOpened: false });

/** @type {Guard} */
const isFinal = (_, { code, isFinal }) => isFinal || FINAL_CODES.has(code);

/** Whether to try without the offer; an unreachable server looks the same. @type {Guard} */
const mayBeItsOffer = ({ offers, strikes }, { hasConnected, wasGivenUp }) =>
  offers && !hasConnected && !wasGivenUp && strikes % FALLBACK_EVERY === 0;

/** @type {Guard} */
const isOffline = (_, event) => event.isOffline;

/** @param {Machine} machine @param {any} event @returns {number} */
function strikesAfter({ strikes }, { code, isRefused, wasSteady }) {
  if (isRefused) return STRIKES_MAX;
  return wasSteady || code !== LOST_CODE ? 0 : strikes + 1;
}

/** Whether this transport is to be left. @type {Guard} */
const isBroken = (machine, event, { transports }) =>
  transports.length > 1 && strikesAfter(machine, event) >= STRIKES_MAX;

/** @param {Rules} rules @param {number} rung */
const isWebSocket = ({ transports }, rung) => transports[rung] === "websocket";

/** @type {Act} */
function attempt(machine, _, rules) {
  const offers = machine.mayOffer && isWebSocket(rules, machine.rung);
  const tried = { ...machine, offers, attempts: machine.attempts + 1 };
  return [tried, [["connect", rules.transports[machine.rung], offers]]];
}

/** @type {Act} */
const attemptWithout = (machine, _, rules) =>
  [{ ...machine, offers: false }, [["connect", rules.transports[machine.rung], false]]];

/** @type {Act} */
function announce(machine, { protocol }, rules) {
  const { rung, attempts, offers, mayOffer, hasOpened } = machine;
  const detail = { attempt: attempts, protocol, isReconnect: hasOpened, transport: rules.transports[rung] };
  const open = { ...machine, attempts: 0, hasOpened: true, mayOffer: isWebSocket(rules, rung) ? offers : mayOffer };
  return [open, [...climbLater(open, rules), ["emit", "open", detail]]];
}

/** When to try a better transport, if there is one: the first time at once. @param {Machine} machine
 * @param {Rules} rules @returns {Action[]} */
function climbLater({ rung, climbs }, { climbMs }) {
  if (rung === 0) return [];
  return [["climbIn", climbs === 0 ? 0 : Math.min(CLIMB_MAX_MS, climbMs * 2 ** (climbs - 1))]];
}

/** Try the best transport, the next time the next one, and so on round. @type {Act} */
function probe(machine, _, rules) {
  const { rung, climbs, mayOffer } = machine;
  const probed = climbs % rung;
  const offers = mayOffer && isWebSocket(rules, probed) && climbs % 2 === 0;
  return [{ ...machine, probe: probed, offers, climbs: climbs + 1 }, [["probe", rules.transports[probed], offers]]];
}

/** @type {Act} */
function moveUp(machine, event, rules) {
  const moved = { ...machine, rung: machine.probe ?? 0, probe: null, strikes: 0, attempts: 1 };
  const [open, actions] = announce(moved, event, rules);
  return [open, [["adoptProbe"], ...actions]];
}

/** @type {Act} */
const stayDown = (machine, _, rules) => [{ ...machine, probe: null }, climbLater(machine, rules)];

/** @type {Act} */
const abandon = (machine, { why }) => [machine, [["abandon", why]]];
/** @type {Act} */
const abandonProbe = (machine, { why }) => [machine, [["abandonProbe", why]]];

/** @type {Act} */
function retry(machine, event, { backoff }) {
  const failures = isFresh(event) ? 0 : machine.failures;
  const firstMs = event.code === BUSY_CODE ? backoff.firstBusyMs : backoff.firstMs;
  const retryMs = delayMs(failures, { ...backoff, firstMs }, () => event.random);
  return lost({ ...machine, failures: failures + 1, strikes: strikesAfter(machine, event) }, event, retryMs);
}

/** @type {Act} */
function fallBack(machine, event, rules) {
  const [waiting, actions] = retry(machine, event, rules);
  return [{ ...waiting, rung: (machine.rung + 1) % rules.transports.length, strikes: 0 }, actions];
}

/** @type {Act} */
const awaitNetwork = (machine, event) =>
  lost({ ...machine, failures: isFresh(event) ? 0 : machine.failures }, event, null);

/** Whether delays begin afresh. @param {any} event */
const isFresh = ({ code, wasSteady }) => wasSteady && code !== BUSY_CODE;

/** @param {Machine} machine @param {any} event @param {number | null} retryMs @returns {[Machine, Action[]]} */
function lost(machine, { code, reason, error, wasSteady }, retryMs) {
  const climbs = wasSteady && machine.rung === 0 ? 0 : machine.climbs;
  const errors = error === null ? [] : [["emit", "error", { error }]];
  const close = ["emit", "close", { code, reason, willRetry: true, retryMs }];
  return [{ ...machine, climbs, probe: null }, [["wait", retryMs], ...errors, close]];
}

/** @type {Act} */
const shut = (machine, { code, reason }) => [{ ...machine, probe: null }, [["end", code, reason]]];
/** @type {Act} */
const shutAtOnce = (machine, { code, reason }) => [machine, [["endSoon", code, reason]]];
/** @type {Act} */
const finish = (machine, { code, reason }) =>
  [machine, [["finish", { code, reason, willRetry: false, retryMs: null }]]];
/** @type {Act} */
const nothing = machine => [machine, []];
/** @type {Guard} */
const always = () => true;

/**
 * In which states, when what happens, if what is so: what is done, and the state then.  The first row that fits counts,
 * and where none does, nothing is done.
 * @type {[string, string, Guard, Act, State][]}
 */
export const TABLE = [
  ["waiting", "start", always, attempt, "connecting"],
  ["waiting", "due", isOffline, nothing, "waiting"],
  ["waiting", "due", always, attempt, "connecting"],
  ["waiting", "close", always, shutAtOnce, "closing"],
  ["connecting", "opened", always, announce, "open"],
  ["connecting", "late", always, abandon, "connecting"],
  ["connecting", "ended", isFinal, finish, "closed"],
  ["connecting", "ended", mayBeItsOffer, attemptWithout, "connecting"],
  ["connecting", "ended", isOffline, awaitNetwork, "waiting"],
  ["connecting", "ended", isBroken, fallBack, "waiting"],
  ["connecting", "ended", always, retry, "waiting"],
  ["connecting", "close", always, shut, "closing"],
  ["open", "late", always, abandon, "open"],
  ["open", "ended", isFinal, finish, "closed"],
  ["open", "ended", isOffline, awaitNetwork, "waiting"],
  ["open", "ended", isBroken, fallBack, "waiting"],
  ["open", "ended", always, retry, "waiting"],
  ["open", "climb", always, probe, "open"],
  ["open", "probe opened", always, moveUp, "open"],
  ["open", "probe late", always, abandonProbe, "open"],
  ["open", "probe ended", always, stayDown, "open"],
  ["open", "close", always, shut, "closing"],
  ["closing", "late", always, abandon, "closing"],
  ["closing", "ended", always, finish, "closed"],
];

/** The machine after an event, and what is to be done, in order. @type {Act} */
export function next(machine, event, rules) {
  const row = TABLE.find(([state, type, guard]) =>
    state === machine.state && type === event.type && guard(machine, event, rules));
  if (row === undefined) return [machine, []];
  const [, , , act, state] = row;
  const [after, actions] = act(machine, event, rules);
  return [{ ...after, state }, actions];
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

// -- transports -------------------------------------------------------------------------------------------------------

/**
 * What comes: a message, a position without one, or a gap. The data of a message is a text, or an ArrayBuffer.
 * @typedef {{data?: any, position?: string, gap?: Gap}} Fact
 */
/** @typedef {{code: number, reason: string, isFinal?: boolean, isRefused?: boolean}} End `isRefused`: not there */

/**
 * What a transport calls, in the order in which things happen; `ended` comes last.
 * @typedef {object} Sink
 * @property {(protocol: string) => void} connected the server has agreed
 * @property {() => void} heard something has come
 * @property {(silenceMs: number) => void} announced for how long nothing may come
 * @property {(fact: Fact) => void} received
 * @property {(error: Error) => void} failed
 * @property {(end: End) => void} ended
 */

/**
 * One connection of a transport.
 * @typedef {object} Line
 * @property {number} bufferedAmount
 * @property {(data: any) => boolean} send
 * @property {(code: number, reason: string) => void} close to start the end, which `ended` tells, later
 * @property {(why: string) => void} abandon without an end
 */

/**
 * @typedef {object} Course what a transport is given: the address by where it goes on, and where that is
 * @property {(position: string | null) => string} address
 * @property {string | null} position
 * @property {boolean} offersZstd
 * @property {Settings} settings
 */

const LOST = { code: LOST_CODE, reason: "" };
/** How long nothing may come, by the time from one heartbeat to the next. @param {string} text @returns {number} */
const toSilenceMs = text => MISSED_HEARTBEATS * Number(text);
const HEARTBEAT = "heartbeat:";
const CONTROL = /^\0(heartbeat|position|next|gap):(.*)/s;

/** A WebSocket. @param {Course} course @param {Sink} sink @returns {Line} */
function openWebSocket({ address, position, offersZstd, settings }, sink) {
  const url = address(position);
  const { WebSocket, protocols, resume } = settings;
  /** @type {WebSocket & {terminate?: () => void}} */
  const socket = new WebSocket(url, offersZstd ? [ZSTD, ...protocols] : protocols);
  socket.binaryType = "arraybuffer";
  const read = frameReader(sink);
  let hasOpened = false;
  socket.onopen = () => {
    hasOpened = true;
    sink.connected(socket.protocol);
    if (!resume) sink.heard();
  };
  socket.onmessage = event => read(event.data);
  socket.onerror = event => {
    sink.failed(errorOf(event, url));
    // Node's own WebSocket does not always report the close of a connection that has not opened.
    if (!hasOpened) setTimeout(() => sink.ended(LOST), 0);
  };
  socket.onclose = event => sink.ended(event);
  return {
    get bufferedAmount() { return socket.bufferedAmount; },
    send: data => socket.readyState === OPEN && (socket.send(data), true),
    close: (code, reason) => {
      socket.onopen = null;
      // Node's own may call this at once; a microtask later, so that the caller can still add listeners.
      socket.onclose = event => queueMicrotask(() => sink.ended(event));
      socket.close(code, reason);
    },
    abandon: why => {
      socket.onopen = socket.onmessage = null;
      socket.close(SILENT_CODE, why);
      // That of `ws` would keep the process for 30 seconds; node's own, which has no such method, keeps it while the
      // server is there.
      socket.terminate?.();
    },
  };
}

/**
 * The function that takes the data of frames.  Texts of sigil's own begin with NUL, and what is unknown of them is
 * ignored; what comes behind the position of the next message is that message, whatever it begins with.
 * @param {Sink} sink
 * @returns {(data: any) => void}
 */
function frameReader(sink) {
  /** @type {string | undefined} */ let position;
  /** @type {Record<string, (text: string) => void>} */
  const controls = {
    heartbeat: text => sink.announced(toSilenceMs(text)),
    position: text => sink.received({ position: text }),
    next: text => { position = text; },
    gap: text => sink.received({ gap: JSON.parse(text) }),
  };
  return data => {
    sink.heard();
    if (position === undefined && typeof data === "string" && data[0] === "\0") {
      const [, name, text] = CONTROL.exec(data) ?? ["", "", ""];
      return controls[name]?.(text);
    }
    sink.received({ data, position });
    position = undefined;
  };
}

/** The error of an event, which browsers do not give. @param {any} event @param {string} url @returns {Error} */
function errorOf(event, url) {
  return event.error instanceof Error ? event.error : new Error(event.message || `the WebSocket to ${url} failed`);
}

/** An event stream, read with `fetch`, which sees comments and can be given up. @param {Course} course
 * @param {Sink} sink @returns {Line} */
function openEventStream({ address, position, settings }, sink) {
  return overFetch(sink, async signal => {
    const url = address(position), here = globalThis.location?.origin ?? new URL(url).origin;
    // Elsewhere a field of one's own takes a question more (CORS), and the program has `after`, which says the same.
    /** @type {Record<string, string>} */
    const headers = position !== null && here === new URL(url).origin ? { "Last-Event-ID": position } : {};
    const response = await ask(url, "text/event-stream", settings, signal, headers);
    sink.connected("");
    const [read, utf8, body] = [eventReader(sink), new TextDecoder(), response.body?.getReader()];
    for (;;) {
      const { done, value } = await body?.read() ?? { done: true, value: undefined };
      if (done) return;
      sink.heard();
      read(utf8.decode(value, { stream: true }));
    }
  });
}

/**
 * The function that takes the text of an event stream, in pieces, by WHATWG HTML, section 9.2.6.
 * @param {Sink} sink
 * @returns {(text: string) => void}
 */
function eventReader(sink) {
  let rest = "";
  /** @type {{data: string[], id?: string, event: string}} */ let block = { data: [], event: "" };
  /** @param {string} line */
  const take = line => {
    if (line === "") {
      dispatch(block, sink);
      block = { data: [], event: "" };
      return;
    }
    const colon = (line + ":").indexOf(":");
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (name === "data") block.data.push(value);
    else if (name === "id" || name === "event") block[name] = value;
    else if (name === "" && value.startsWith(HEARTBEAT)) sink.announced(toSilenceMs(value.slice(HEARTBEAT.length)));
  };
  return text => {
    rest += text;
    if (!/[\r\n]/.test(text)) return;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    lines.forEach(take);
  };
}

/** Report one event; without data its id is a position. @param {{data: string[], id?: string, event: string}} block
 * @param {Sink} sink */
function dispatch({ data, id, event }, sink) {
  if (event === "gap") return sink.received({ gap: { position: id, ...JSON.parse(data.join("\n")) } });
  if (data.length > 0 && (event === "" || event === "message")) sink.received({ data: data.join("\n"), position: id });
  else if (id !== undefined) sink.received({ position: id });
}

/** Long-polls, one behind the other. @param {Course} course @param {Sink} sink @returns {Line} */
function openPolls({ address, position, settings }, sink) {
  return overFetch(sink, async signal => {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const startMs = performance.now();
      const response = await ask(address(position), "application/x-ndjson", settings, signal);
      const lines = (await response.text()).split("\n").filter(Boolean).map(line => JSON.parse(line));
      if (isFirst) sink.connected("");
      sink.heard();
      for (const line of lines) position = takeLine(line, settings, sink) ?? position;
      const isEmpty = lines.every(({ text, base64 }) => text === undefined && base64 === undefined);
      if (isEmpty && !isFirst) await pause(startMs + POLL_PAUSE_MS - performance.now(), signal);
    }
  });
}

/** Report a line of a long-poll. @param {any} line @param {Settings} settings @param {Sink} sink
 * @returns {string | undefined} the position behind it */
function takeLine(line, { handshakeMs }, sink) {
  const { gap, position = gap?.position, timeout } = line;
  if (timeout !== undefined) sink.announced(timeout * 1_000 + handshakeMs);
  else if (gap !== undefined) sink.received({ gap });
  else sink.received({ data: dataOf(line), position });
  return position;
}

/** The data in a line of a long-poll. @param {any} line @returns {string | ArrayBuffer | undefined} */
function dataOf({ text, base64 }) {
  return base64 === undefined ? text : Uint8Array.from(atob(base64), character => character.charCodeAt(0)).buffer;
}

/** Wait, or until the signal comes. @param {number} delayMs @param {AbortSignal} signal @returns {Promise<void>} */
function pause(delayMs, signal) {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener("abort", end);
  });
}

/** A connection that reads what `fetch` gives, until it ends or fails. @param {Sink} sink
 * @param {(signal: AbortSignal) => Promise<void>} read @returns {Line} */
function overFetch(sink, read) {
  const controller = new AbortController();
  read(controller.signal).then(() => LOST, error => {
    sink.failed(error);
    return error instanceof Refusal ? error.end : LOST;
  }).then(end => {
    controller.abort();
    sink.ended(end);
  });
  return {
    bufferedAmount: 0,
    send: () => false,
    close: (code, reason) => {
      queueMicrotask(() => sink.ended({ code, reason }));
      controller.abort();
    },
    abandon: () => controller.abort(),
  };
}

/** An answer that is none of this transport. */
class Refusal extends Error {
  /** @param {string} message @param {End} end */
  constructor(message, end) {
    super(message);
    this.end = end;
  }
}

/** Ask with `fetch`. @param {string} url @param {string} type @param {Settings} settings @param {AbortSignal} signal
 * @param {Record<string, string>} [headers]
 * @returns {Promise<Response>} throws a `Refusal` for an answer of another type */
async function ask(url, type, { fetch }, signal, headers = {}) {
  const response = await fetch(url, { headers: { Accept: type, ...headers }, cache: "no-store", signal });
  const answered = response.headers.get("content-type") ?? "";
  if (response.status === 200 && answered.startsWith(type)) return response;
  throw new Refusal(`${url} was answered ${response.status} ${answered}`.trim(), endOf(response.status));
}

/** What an answer means that is none: 204 is to ask no more (WHATWG HTML, section 9.2), 429 and 503 to ask later.
 * @param {number} status @returns {End} */
function endOf(status) {
  if (status === 204) return { code: 1000, reason: "", isFinal: true };
  if (status === 429 || status === 503) return { code: BUSY_CODE, reason: "" };
  return { ...LOST, isRefused: status < 500 };
}

/** @type {Record<Transport, (course: Course, sink: Sink) => Line>} */
const OPENERS = { websocket: openWebSocket, sse: openEventStream, poll: openPolls };

// -- one connection ---------------------------------------------------------------------------------------------------

/**
 * The callbacks of a connection, in the order in which things happen; `ended` comes last.
 * @typedef {object} Observer
 * @property {(connection: Connection, protocol: string) => void} opened
 * @property {(connection: Connection, fact: Fact, message?: Message) => void} received
 * @property {(count: number) => void} dropped the oldest of too many messages in the decoder's queue, or all that were
 *     not decoded in time and have no position
 * @property {(error: Error) => void} undecodable no message follows
 * @property {(connection: Connection, why: string) => void} late its deadline has passed
 * @property {(connection: Connection, end: End) => void} ended
 */

/** One attempt over one transport, its deadline, and the queue of its messages that are not decompressed yet. */
class Connection {
  /** @type {Fact[]} */ #queue = [];
  /** @type {Fact | null} */ #decoding = null;
  /** @type {Decode} */ #decode = plain;
  /** @type {End | null} */ #end = null;
  #isOver = false;
  #isDiscarding = false;
  #protocol = "";
  #openedAtMs = 0;
  #receivedAtMs = 0;
  #livedMs = 0;
  /** @type {any} */ #deadline = undefined;
  /** How long it may be silent; 0: for ever. */ #silenceMs = 0;
  #hasOpened = false;
  hasConnected = false;
  wasGivenUp = false;
  /** What has failed. @type {Error | null} */ error = null;
  /** What is not beyond this position was received over another connection. @type {string | null} */ skipTo = null;

  /** @param {Transport} transport @param {Course} course @param {Observer} observer */
  constructor(transport, course, observer) {
    this.settings = course.settings;
    this.observer = observer;
    this.line = OPENERS[transport](course, {
      connected: protocol => this.#connected(protocol),
      heard: () => this.#heard(),
      announced: silenceMs => this.#announced(silenceMs),
      received: fact => this.#received(fact),
      failed: error => { if (!this.#isOver) this.error = error; },
      ended: end => this.#closed(end),
    });
    const { handshakeMs } = this.settings;
    this.#expect(handshakeMs, () => this.#late(this.hasConnected ? `nothing was received in ${handshakeMs} ms`
      : `the handshake was not answered in ${handshakeMs} ms`));
  }

  /** Whether it lasted long enough. That messages came is no sign of it: a server that is full may send some, too. */
  get wasSteady() {
    return this.#hasOpened && this.#livedMs >= this.settings.backoff.steadyMs;
  }

  /**
   * Start the end.  Nothing is reported any more but that, or that it is late.
   * @param {number} code
   * @param {string} reason
   */
  close(code, reason) {
    const { closeMs } = this.settings;
    this.#discard();
    this.#expect(closeMs, () => this.#late(`the close was not answered in ${closeMs} ms`));
    this.line.close(code, reason);
    queueMicrotask(() => this.#processQueue());
  }

  /** End now, without waiting for the peer. @param {string} why */
  abandon(why) {
    this.wasGivenUp = true;
    this.error = new Error(why);
    this.#closed(LOST);
    this.line.abandon(why);
  }

  /** End now, and report nothing but that. @param {string} why */
  drop(why) {
    this.#discard();
    this.abandon(why);
  }

  #discard() {
    this.#isDiscarding = true;
    this.#queue = [];
  }

  /** Set the deadline, instead of the one there was. @param {number} delayMs @param {() => void} missed */
  #expect(delayMs, missed) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(missed, delayMs);
  }

  /** @param {string} why */
  #late(why) {
    this.observer.late(this, why);
  }

  /** @param {string} protocol */
  #connected(protocol) {
    this.hasConnected = true;
    this.#protocol = protocol;
    this.#decode = decoderOf(this.settings, protocol);
  }

  /** Something has come: the first is its opening. */
  #heard() {
    this.#receivedAtMs = performance.now();
    if (this.#hasOpened || this.#isDiscarding || this.#isOver) return;
    clearTimeout(this.#deadline);
    this.#hasOpened = true;
    this.#openedAtMs = this.#receivedAtMs;
    this.#endureSilence(this.settings.silenceMs ?? 0);
    this.observer.opened(this, this.#protocol);
  }

  /** @param {Fact} fact */
  #received(fact) {
    if (this.#isDiscarding || this.#isOver) return;
    this.#queue.push(fact);
    if (this.#queue.length > this.settings.maxQueuedMessages) this.#dropOldest();
    this.#processQueue();
  }

  /** Drop the oldest message; the position of a later one is behind it. */
  #dropOldest() {
    const index = this.#queue.findIndex(fact => fact.data !== undefined);
    this.#queue.splice(index, 1);
    this.observer.dropped(1);
  }

  /** Report what is in the queue, up to a message that is decompressed asynchronously. */
  #processQueue() {
    for (let fact; this.#decoding === null && (fact = this.#queue.shift()) !== undefined;) this.#processFact(fact);
    if (this.#end !== null && (this.#isDiscarding || this.#decoding === null)) this.#reportEnd(this.#end);
  }

  /** @param {Fact} fact */
  #processFact(fact) {
    if (fact.data === undefined) return this.observer.received(this, fact);
    let message;
    try {
      message = this.#decode(fact.data);
    } catch (error) {
      return this.#failedToDecode(error);
    }
    if (isPromise(message)) this.#await(message, fact);
    else this.observer.received(this, fact, message);
  }

  /** @param {PromiseLike<Message>} promise @param {Fact} fact */
  #await(promise, fact) {
    this.#decoding = fact;
    /** @param {Message} message */
    const deliver = message => this.#isDiscarding || this.observer.received(this, fact, message);
    promise.then(deliver, error => this.#failedToDecode(error)).then(() => {
      this.#decoding = null;
      this.#processQueue();
    });
  }

  /** @param {unknown} cause */
  #failedToDecode(cause) {
    if (!this.#isDiscarding) this.observer.undecodable(new Error(`${UNDECODABLE}: ${cause}`, { cause }));
  }

  /** The server says for how long nothing may come. @param {number} silenceMs */
  #announced(silenceMs) {
    if (this.settings.silenceMs !== null || this.#silenceMs > 0 || this.#isDiscarding || this.#isOver) return;
    this.#endureSilence(silenceMs);
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
    else this.#late(`no message was received for ${this.#silenceMs} ms`);
  }

  /** @param {End} end */
  #closed(end) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#livedMs = performance.now() - this.#openedAtMs;
    this.#end = end;
    this.#expect(this.settings.decodeMs, () => this.#dropRest());
    this.#processQueue();
  }

  /** Drop what the decoder has not finished in time. What has a position is asked for again. */
  #dropRest() {
    const isLost = (/** @type {Fact | null} */ fact) => fact?.data !== undefined && fact.position === undefined;
    const lostCount = [this.#decoding, ...this.#queue].filter(isLost).length;
    this.#discard();
    if (lostCount > 0) this.observer.dropped(lostCount);
    this.#processQueue();
  }

  /** @param {End} end */
  #reportEnd(end) {
    this.#end = null;
    clearTimeout(this.#deadline);
    this.observer.ended(this, end);
  }
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
  /** @type {Machine} */ #machine;
  /** @type {Connection | null} */ #connection = null;
  /** @type {Connection | null} */ #probe = null;
  /** @type {string | null} */ #position;
  /** @type {Set<Mailbox>} */ #mailboxes = new Set();
  /** For the next attempt. @type {any} */ #timer = undefined;
  /** For the next probe. @type {any} */ #climbTimer = undefined;
  /** @type {Event | null} */ #dispatching = null;
  #dropped = 0;
  /** @type {(detail: CloseDetail) => void} */ #resolveClosed = () => {};

  /** The address of the WebSocket. @type {string} */
  url;
  #base;

  /** The detail of the last `close`, once there is one. @type {Promise<CloseDetail>} */
  closed = new Promise(resolve => { this.#resolveClosed = resolve; });

  /** @param {string | URL} url @param {Options} options */
  constructor(url, options) {
    super();
    this.#settings = settingsOf(options);
    this.#base = streamUrl(url);
    this.url = streamUrl(this.#base, { topics: options.topics, history: options.history });
    for (const transport of this.#settings.transports) this.#address(transport, null);  // throws now if ever
    this.#machine = machineOf(this.#settings.decompress !== undefined);
    this.#position = options.after ?? null;
    this.#observer = this.#makeObserver();
    if (this.#settings.signal?.aborted) this.#abort();
    else this.#begin();
  }

  /** @returns {State} */
  get state() {
    return this.#machine.state;
  }

  /** What it is connected over, or tries to be. @returns {Transport} */
  get transport() {
    return this.#settings.transports[this.#machine.rung];
  }

  /** Where it is in the server's messages, or null: `after` for another stream. @returns {string | null} */
  get position() {
    return this.#position;
  }

  /** How many messages were dropped because they were not taken in time: by loops, each counted, or by a decoder. */
  get dropped() {
    return this.#dropped;
  }

  /** Bytes that were sent and have not left this machine's program yet. @returns {number} */
  get bufferedAmount() {
    return this.#connection?.line.bufferedAmount ?? 0;
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
   * @returns {boolean} false if there is no connection that can send, so that it was not sent
   */
  send(data) {
    return this.state === "open" && this.#connection !== null && this.#connection.line.send(data);
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
    if (this.state === "closing" || this.state === "closed") return;
    this.#dispatching?.stopImmediatePropagation();
    this.#step({ type: "close", code, reason });
  }

  /** The messages until the last `close`; each loop gets all of them. @returns {AsyncIterableIterator<Message>} */
  [Symbol.asyncIterator]() {
    const mailbox = new Mailbox(this.#settings.maxQueuedMessages, left => this.#mailboxes.delete(left));
    this.#mailboxes.add(mailbox);
    if (this.state === "closing" || this.state === "closed") mailbox.leave();
    return mailbox;
  }

  // -- what connections report

  /** @returns {Observer} */
  #makeObserver() {
    return {
      opened: (connection, protocol) => this.#report(connection, { type: "opened", protocol }),
      received: (connection, fact, message) => this.#received(connection, fact, message),
      dropped: count => this.#drop(count),
      undecodable: error => this.#undecodable(error),
      late: (connection, why) => this.#report(connection, { type: "late", why }),
      ended: (connection, end) => this.#report(connection, this.#endEvent(connection, end)),
    };
  }

  /** An event of the machine. @param {Connection} connection @param {Happening} event */
  #report(connection, event) {
    if (connection === this.#connection) this.#step(event);
    else if (connection === this.#probe) this.#step({ ...event, type: `probe ${event.type}` });
  }

  /** @param {Connection} connection @param {End} end */
  #endEvent({ wasSteady, wasGivenUp, hasConnected, error }, { code, reason, isFinal = false, isRefused = false }) {
    const end = { code, reason, isFinal, isRefused, wasSteady, wasGivenUp, hasConnected, error };
    return { type: "ended", ...end, isOffline: this.#isOffline(), random: this.#settings.random() };
  }

  /** The position moves together with the message.
   * @param {Connection} connection @param {Fact} fact @param {Message} [message] */
  #received(connection, { position, gap }, message) {
    const there = gap?.position ?? position;
    if (there !== undefined && connection.skipTo !== null && isReached(there, connection.skipTo)) return;
    this.#position = there ?? this.#position;
    if (gap !== undefined) this.#emit("gap", gap);
    if (message !== undefined) this.#deliver(message);
  }

  /** @param {Message} message */
  #deliver(message) {
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

  // -- what the machine wants

  #begin() {
    this.#step({ type: "start" });
    this.#toggleListeners("addEventListener");
  }

  /** Add or remove the global listeners. @param {"addEventListener" | "removeEventListener"} verb */
  #toggleListeners(verb) {
    this.#settings.signal?.[verb]("abort", this.#abort);
    globalThis[verb]?.("online", this.#tryAgain);
    globalThis.document?.[verb]?.("visibilitychange", this.#visibilityChanged);
  }

  /** Tell the machine, and carry out what it wants. @param {Happening} event */
  #step(event) {
    const [machine, actions] = next(this.#machine, event, this.#settings);
    this.#machine = machine;
    for (const [verb, ...values] of actions) this.#actions[verb](...values);
  }

  /** @type {Record<string, (...values: any[]) => void>} */
  #actions = {
    connect: (transport, offersZstd) => {
      clearTimeout(this.#timer);
      this.#connection = this.#connect(transport, offersZstd);
    },
    probe: (transport, offersZstd) => { this.#probe = this.#connect(transport, offersZstd); },
    adoptProbe: () => this.#adoptProbe(),
    climbIn: delayMs => { this.#climbTimer = setTimeout(() => this.#step({ type: "climb" }), delayMs); },
    abandon: why => this.#connection?.abandon(why),
    abandonProbe: why => this.#probe?.abandon(why),
    wait: retryMs => this.#wait(retryMs),
    emit: (type, detail) => this.#emit(type, detail),
    end: (code, reason) => {
      this.#dropProbe();
      this.#connection?.close(code, reason);
    },
    // There is no end to wait for; a microtask later, so that the caller can still add listeners.
    endSoon: (code, reason) => queueMicrotask(() => this.#step({ type: "ended", code, reason })),
    finish: detail => this.#finish(detail),
  };

  /** @param {Transport} transport @param {boolean} offersZstd */
  #connect(transport, offersZstd) {
    const position = this.#settings.resume ? this.#position : null;
    /** @param {string | null} after */
    const address = after => this.#address(transport, after);
    return new Connection(transport, { address, position, offersZstd, settings: this.#settings }, this.#observer);
  }

  /** The address of an attempt. @param {Transport} transport @param {string | null} position @returns {string} */
  #address(transport, position) {
    const { topics, history, resume, silenceMs, sse, poll } = this.#settings;
    const base = { websocket: undefined, sse, poll }[transport] ?? this.#base;
    const after = resume || transport === "poll" ? position ?? "" : undefined;
    const plain = streamUrl(base, { topics, history, after });
    // A long-poll is asked always: without, the first one would be answered with the first message, and not open.
    const url = silenceMs === null || transport === "poll" ? withHeartbeats(plain) : plain;
    return transport === "websocket" ? url : overHttp(url);
  }

  /** The probe has opened while the connection did well: what it has received already is skipped. */
  #adoptProbe() {
    const [left, probe] = [this.#connection, this.#probe];
    [this.#connection, this.#probe] = [probe, null];
    if (probe !== null) probe.skipTo = this.#position;
    left?.drop("a better transport has opened");
  }

  /** Nothing of it is reported any more. */
  #dropProbe() {
    const probe = this.#probe;
    this.#probe = null;
    clearTimeout(this.#climbTimer);
    probe?.drop("it is not needed any more");
  }

  /** Wait for the next attempt. @param {number | null} retryMs null: for the network */
  #wait(retryMs) {
    this.#dropProbe();
    this.#connection = null;
    const { setTimeout } = this.#settings;  // that of a browser is to be called by itself
    if (retryMs !== null) this.#timer = setTimeout(this.#tryAgain, retryMs);
  }

  /** Whether an attempt cannot succeed; if so, the browser reports when that has changed. */
  #isOffline() {
    return globalThis.navigator?.onLine === false && !isLoopback(this.url);
  }

  /** The delay is over, or the network is back. */
  #tryAgain = () => this.#step({ type: "due", isOffline: this.#isOffline() });

  /** The page was shown or hidden. */
  #visibilityChanged = () => {
    if (globalThis.document?.visibilityState === "visible") this.#tryAgain();
  };

  #abort = () => this.close(1000, "aborted");

  /** @param {CloseDetail} detail */
  #finish(detail) {
    this.#dropProbe();
    this.#connection = null;
    clearTimeout(this.#timer);
    this.#toggleListeners("removeEventListener");
    for (const mailbox of this.#mailboxes) mailbox.end();
    this.#emit("close", detail);
    this.#resolveClosed(detail);
  }

  /** @template Detail @param {string} type @param {Detail} detail */
  #emit(type, detail) {
    this.#dispatch(new StreamEvent(type, detail));
  }

  /** Dispatch an event, but none between `close()` and the last `close`. @param {Event} event */
  #dispatch(event) {
    if (this.state === "closing") return;
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
