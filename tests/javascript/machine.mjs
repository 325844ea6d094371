/**
 * The state machine of the client, as a pure function: `node machine.mjs CASES AS JSON`.
 *
 * A case is a list of events for a stream that has WebSockets only and may offer Zstandard; for each of them it prints
 * what the machine is then, and the actions, as JSON.  `random` of an event is its random number.
 */
const { machineOf, next } = await import(process.env.SIGIL_CLIENT);

const RULES = { transports: ["websocket"], climbMs: 60_000,
  backoff: { firstMs: 250, maxMs: 30_000, factor: 2, steadyMs: 5_000, firstBusyMs: 3_750 } };

for (const [mayOffer, ...events] of JSON.parse(process.argv[2])) {
  let machine = machineOf(mayOffer);
  const seen = events.map(event => {
    let actions;
    [machine, actions] = next(machine, { error: null, ...event, isOffline: false }, RULES);
    const { state, strikes, attempts, failures, offers } = machine;
    return [{ state, strikes, attempts, failures, mayOffer: machine.mayOffer, offers, hasOpened: machine.hasOpened },
      actions];
  });
  console.log(JSON.stringify(seen));
}
