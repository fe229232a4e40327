import { Counter, Gauge, Histogram, type Registry } from "@prometheus-io/client";
import { RESULTS, type RequestResult } from "./answers.ts";
import type { CutReason } from "./http-server.ts";
import type { RefusalReason } from "./judge.ts";

/** Counts what the receiver does. Each method is cheap enough to be called for every request. */
export interface ReceiverMetrics {
  result(result: RequestResult): void;
  refusal(reason: RefusalReason): void;
  /** Records the time from the arrival of a request to its answer 200. */
  acknowledged(seconds: number): void;
  batch(rows: number, inserted: number): void;
  cut(reason: CutReason): void;
}

/** The buckets for the time to the 200, in seconds: from a fast commit to beyond the 3 s that a text may wait for the database. */
const ACK_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4];

/** The reasons of the refusals that an alert watches. Such a request is for a route that exists, so one of our numbers may lose texts. */
const OF_ROUTES = ["mismatch", "missing", "account"] as const satisfies RefusalReason[];

/** The functions that are called at each scrape for the values of the gauges. */
interface Gauges {
  routes: () => number;
  connections: () => number;
}

/** Registers the metrics of the receiver and returns the functions that increase them. */
export function receiverMetrics(registry: Registry, gauges: Gauges): ReceiverMetrics {
  const registers = [registry];
  const inbound = new Counter({
    name: "smschannel_inbound_total",
    help: "Requests by their result. Requests without a valid signature are `refused`, whatever is wrong with them.",
    labelNames: ["result"],
    registers,
  });
  const failures = new Counter({
    name: "smschannel_signature_failures_total",
    help: "Refused requests by reason. Only `mismatch`, `missing` and `account` concern a route that exists.",
    labelNames: ["reason"],
    registers,
  });
  const ack = new Histogram({
    name: "smschannel_inbound_ack_seconds",
    help: "Time from a request's arrival to its 200, for what was stored.",
    buckets: ACK_BUCKETS,
    registers,
  });
  const duplicates = new Counter({
    name: "smschannel_inbound_duplicates_total",
    help: "Rows that were in the inbox already: retries of Twilio, requests to the fallback URL, replays.",
    registers,
  });
  const batches = new Counter({
    name: "smschannel_inbound_batches_total",
    help: "Statements that stored rows. The number of stored texts divided by this number is the size of a group commit.",
    registers,
  });
  const cuts = new Counter({
    name: "smschannel_connections_cut_total",
    help: "Connections that the receiver ended, by reason: slow, malformed or pipelined requests, too large headers, too many connections.",
    labelNames: ["reason"],
    registers,
  });
  new Gauge({
    name: "smschannel_routes",
    help: "Routes that this receiver knows.",
    registers,
    collect() {
      this.set(gauges.routes());
    },
  });
  new Gauge({
    name: "smschannel_connections",
    help: "Connections to the receiver that are open.",
    registers,
    collect() {
      this.set(gauges.connections());
    },
  });
  // Every series begins at 0: Prometheus sees no increase in a series that begins with 1, so alerts would miss the first event.
  for (const result of RESULTS) inbound.inc({ result }, 0);
  for (const reason of OF_ROUTES) failures.inc({ reason }, 0);
  const results = perLabel((label) => inbound.labels(label));
  const reasons = perLabel((label) => failures.labels(label));
  return {
    result: (result) => results(result).inc(),
    refusal: (reason) => reasons(reason).inc(),
    acknowledged: (seconds) => ack.observe(seconds),
    batch(rows, inserted) {
      batches.inc();
      if (rows > inserted) duplicates.inc(rows - inserted);
    },
    cut: (reason) => cuts.labels(reason).inc(),
  };
}

/** Makes the counter of each label only once and keeps it. Otherwise the metrics client would hash the label again for every text. */
function perLabel<T>(make: (label: string) => T): (label: string) => T {
  const children = new Map<string, T>();
  return (label) => {
    const child = children.get(label) ?? make(label);
    children.set(label, child);
    return child;
  };
}
