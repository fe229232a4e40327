import { effectiveNumber } from "../api/effective.ts";
import type { SmsNumber } from "../api/index.ts";
import { routeKey } from "../routes/route.ts";
import type { RouteRecord } from "./records/record.ts";
import type { Records } from "./records/records.ts";
import { candidateOf } from "./smsnumber/candidate.ts";
import { digitsOf } from "./upkeep/routes.ts";
import type { Watches } from "./watches.ts";
import type { Streams } from "./workstream/streams.ts";
import type { StreamFacts } from "./workstream/verdicts.ts";

/**
 * How objects relate to each other, from what is watched and recorded at this moment. No method reads from the API
 * server or Twilio: everything is in memory.
 */
export class Relations {
  readonly #watches: Watches;
  readonly #records: Records;
  readonly #streams: Streams;

  constructor(watches: Watches, records: Records, streams: Streams) {
    this.#watches = watches;
    this.#records = records;
    this.#streams = streams;
  }

  /**
   * The number that the status of a stream names: of the SmsNumbers that refer to the stream, the one with a claim, or
   * else the oldest.
   */
  numberOf(namespace: string, stream: string): StreamFacts["number"] {
    const numbers = this.#numbersOf(namespace, stream).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    const holder = numbers.find(({ metadata }) => this.#records.claimOf(metadata.uid!) !== undefined);
    const number = holder ?? oldest(numbers);
    if (number === undefined) return this.#watches.smsNumbers.knows(namespace) ? undefined : "unseen";
    const ready = number.status?.conditions?.find(({ type }) => type === "Ready");
    return {
      name: number.metadata.name,
      status: ready?.status ?? "Unknown",
      reason: ready?.reason ?? "Progressing",
      message: ready?.message ?? "",
    };
  }

  /**
   * The digits to which the receiver accepts texts for this route: the numbers whose webhook the operator sets, and
   * the numbers that it only observes.
   */
  digitsOf(route: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream" | "accountSid">): string[] {
    const before = this.#records.route(routeKey(route))?.numbers ?? [];
    const observed = this.#watches.smsNumbers.knows(route.namespace)
      ? this.#observedDigits(route, before)
      : before;
    return digitsOf(route, this.#records, observed);
  }

  /**
   * The digits of the numbers that the operator only observes and that the account of the stream has. After a start it
   * is not known yet whether the account has a number. Until then a number stays in the route if it was there before,
   * so that a restart does not make the receiver refuse its texts.
   */
  #observedDigits(route: Pick<RouteRecord, "namespace" | "stream">, before: readonly string[]): string[] {
    const deps = {
      records: this.#records,
      streams: this.#streams,
      seen: {
        workStream: (namespace: string, name: string) => this.#watches.workStreams.store.get(namespace, name),
      },
    };
    return this.#numbersOf(route.namespace, route.stream)
      .filter(
        (number) =>
          effectiveNumber(number).managementPolicy === "Observe" &&
          number.metadata.deletionTimestamp === undefined,
      )
      .filter((number) => candidateOf(deps, number).found ?? before.includes(number.spec.number))
      .map(({ spec }) => spec.number);
  }

  /** Updates the numbers in all routes of a stream. The change is durable when the promise resolves. */
  async refreshDigits(namespaceUid: string, stream: string): Promise<void> {
    for (const route of this.#records.routesOf(namespaceUid, stream)) {
      const numbers = this.digitsOf(route);
      await this.#records.updateRoute(routeKey(route), route, (before) => before && { ...before, numbers });
    }
  }

  #numbersOf(namespace: string, stream: string): SmsNumber[] {
    return this.#watches.smsNumbers.store.byIndex("stream", `${namespace}/${stream}`);
  }
}

/** The oldest of several SmsNumbers. Creation times are compared as text: RFC 3339 in UTC sorts by time. */
function oldest(numbers: readonly SmsNumber[]): SmsNumber | undefined {
  return numbers.reduce<SmsNumber | undefined>(
    (best, each) => (best === undefined || createdAt(each) < createdAt(best) ? each : best),
    undefined,
  );
}

const createdAt = ({ metadata }: SmsNumber) => metadata.creationTimestamp ?? "";

/**
 * Whether the WorkStream of a route exists and uses the account of the route. True also when the WorkStreams of the
 * namespace cannot be seen, or when the stream was not judged yet: a route that is dropped by mistake makes the
 * receiver refuse texts.
 */
export function hasStream(
  { watches, streams }: { watches: Watches; streams: Streams },
  route: RouteRecord,
): boolean {
  const { workStreams } = watches;
  if (!workStreams.knows(route.namespace)) return true;
  const key = `${route.namespace}/${route.stream}`;
  if (workStreams.store.getByKey(key) === undefined) return false;
  const state = streams.get(key);
  return state?.routeKey === undefined || state.routeKey === routeKey(route);
}
