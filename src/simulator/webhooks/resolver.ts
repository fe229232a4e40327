import { type LookupAddress, lookup } from "node:dns";
import type { LookupFunction } from "node:net";

/** How long a DNS answer is kept: about the shortest time for which real resolvers keep an answer. */
const KEPT_MS = 5000;

type Addresses = Promise<LookupAddress[]>;

/**
 * A DNS lookup that keeps answers for a few seconds and shares one query among simultaneous lookups, like the resolver between Twilio and a
 * customer's name server. With a plain DNS lookup, a hundred texts per second would be a hundred queries. A cluster's DNS loses some
 * queries at that rate, and the webhook would seem unreachable. Failures are not kept.
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
