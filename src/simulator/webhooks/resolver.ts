import { type LookupAddress, lookup } from "node:dns";
import type { LookupFunction } from "node:net";

/** As long as most resolvers keep an answer at the least. */
const KEPT_MS = 5000;

type Addresses = Promise<LookupAddress[]>;

/**
 * Name look-ups that remember their answers for a moment and are asked once at a time, as a resolver does between Twilio and
 * a customer's name server: else a hundred texts a second are a hundred look-ups, of which a cluster's DNS loses some, and a
 * webhook would seem to be gone. Failures are not remembered.
 */
export function rememberingLookup(now: () => number): LookupFunction {
  const answers = new Map<string, { answer: Addresses; until: number }>();

  function ask(hostname: string): Addresses {
    const known = answers.get(hostname);
    if (known !== undefined && now() < known.until) return known.answer;
    const answer = resolve(hostname);
    answers.set(hostname, { answer, until: now() + KEPT_MS });
    answer.catch(() => answers.delete(hostname));
    return answer;
  }

  return (hostname, { all }, done) => {
    ask(hostname).then(
      (addresses) => {
        if (all === true) done(null, addresses);
        else done(null, addresses[0]!.address, addresses[0]!.family);
      },
      (error: NodeJS.ErrnoException) => done(error, all === true ? [] : ""),
    );
  };
}

function resolve(hostname: string): Addresses {
  return new Promise((fulfil, reject) =>
    lookup(hostname, { all: true }, (error, addresses) =>
      error === null ? fulfil(addresses) : reject(error),
    ),
  );
}
