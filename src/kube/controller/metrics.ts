/**
 * The metrics of the runtime itself. docs/operations.md lists them; names and labels are a public contract.
 *
 * Values that can be read at any time (a queue's depth, a watch's age) are read when Prometheus scrapes, by the functions that
 * the `sample…` methods take. So these values need not be kept up to date between scrapes.
 */

import { Counter, Gauge, Histogram, type Registry } from "@prometheus-io/client";

/** The state of an informer's watches: one watch for each namespace that it watches, or one for all namespaces. */
export interface WatchSample {
  /** How long ago data last came from the quietest watch; undefined while no watch has received any. */
  ageMs: number | undefined;
  /** How many watches have a problem. */
  interrupted: number;
}

/**
 * How an attempt ended: the label `result` of `smschannel_reconcile_total`.
 * - `unchanged`: the attempt succeeded, and the status did not have to be written.
 * - `changed`: the attempt succeeded, and the status had to be written.
 * - `failed`: the object has a problem that is retried.
 * - `retry`: the API server refused or did not answer, or a finalizer is not done.
 * - `bug`: an error without a public reason was thrown.
 * - `foreign`: another installation manages the object.
 * - `finalized`: our finalizer was removed.
 * - `gone`: the object was deleted during the attempt.
 * - `aborted`: the term ended, the controller stopped, or the object needed another attempt first.
 */
export const RESULTS = [
  "unchanged",
  "changed",
  "retry",
  "failed",
  "bug",
  "foreign",
  "finalized",
  "gone",
  "aborted",
] as const;
export type ReconcileResult = (typeof RESULTS)[number];

const PREFIX = "smschannel_";
/** The metrics of each registry. Several controllers share one registry, which refuses a second metric of the same name. */
const known = new WeakMap<Registry, KubeMetrics>();

/**
 * The runtime's metrics in one registry. All informers and controllers of a process share them; the label `kind` distinguishes
 * them.
 */
export class KubeMetrics {
  readonly objectReady: Gauge<"kind" | "namespace" | "name">;
  readonly reconciles: Counter<"kind" | "result">;
  readonly durations: Histogram<"kind">;
  readonly #watches = new Map<string, Set<() => WatchSample>>();
  readonly #depths = new Map<string, Set<() => number>>();
  readonly #foreign = new Set<() => number>();

  static of(registry: Registry): KubeMetrics {
    const metrics = known.get(registry) ?? new KubeMetrics(registry);
    known.set(registry, metrics);
    return metrics;
  }

  private constructor(registry: Registry) {
    const registers = [registry];
    this.objectReady = new Gauge({
      name: `${PREFIX}object_ready`,
      help: "1 while the object's condition Ready is True, else 0.",
      labelNames: ["kind", "namespace", "name"],
      registers,
    });
    this.reconciles = new Counter({
      name: `${PREFIX}reconcile_total`,
      help: "Reconciles by result.",
      labelNames: ["kind", "result"],
      registers,
    });
    this.durations = new Histogram({
      name: `${PREFIX}reconcile_duration_seconds`,
      help: "How long a reconcile took, its status write included.",
      labelNames: ["kind"],
      // The buckets reach from an attempt that finds nothing to do (milliseconds) to an attempt that waits for an outside
      // call's time-out.
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    const [watches, depths, foreign] = [this.#watches, this.#depths, this.#foreign];
    new Gauge({
      name: `${PREFIX}watch_last_event_age_seconds`,
      help: "Seconds since the quietest watch of this kind last heard from the API server, bookmarks included.",
      labelNames: ["kind"],
      registers,
      collect() {
        // A kind that is no longer watched must lose its series: a stale age would look like a watch that hangs.
        this.reset();
        for (const [kind, samples] of watches) {
          const seen = [...samples].map((sample) => sample().ageMs).filter((age) => age !== undefined);
          if (seen.length > 0) this.set({ kind }, Math.max(...seen) / 1000);
        }
      },
    });
    new Gauge({
      name: `${PREFIX}watch_interrupted`,
      help: "Watches of this kind that do not work: no right, no such kind, no answer, or silence. The log and /readyz name the problem.",
      labelNames: ["kind"],
      registers,
      collect() {
        this.reset();
        for (const [kind, samples] of watches)
          this.set(
            { kind },
            [...samples].reduce((sum, sample) => sum + sample().interrupted, 0),
          );
      },
    });
    new Gauge({
      name: `${PREFIX}workqueue_depth`,
      help: "Objects of this kind that wait for a worker.",
      labelNames: ["kind"],
      registers,
      collect() {
        for (const [kind, samples] of depths)
          this.set(
            { kind },
            [...samples].reduce((sum, sample) => sum + sample(), 0),
          );
      },
    });
    new Gauge({
      name: `${PREFIX}foreign_objects`,
      help: "Objects that another release of the operator manages and this one leaves alone.",
      registers,
      collect() {
        this.set([...foreign].reduce((sum, sample) => sum + sample(), 0));
      },
    });
  }

  /**
   * Creates the series of every result with the value 0. Prometheus computes an increase from two samples, so a counter that
   * first appears with the value 1 has not increased, and an alert on the first bug would never fire.
   * https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics
   */
  countFromZero(kind: string): void {
    for (const result of RESULTS) this.reconciles.inc({ kind, result }, 0);
  }
  /** Samples an informer's watches at each scrape. Like each `sample…` method, it returns a function that ends the sampling. */
  sampleWatch(kind: string, sample: () => WatchSample): () => void {
    return register(this.#watches, kind, sample);
  }
  sampleDepth(kind: string, depth: () => number): () => void {
    return register(this.#depths, kind, depth);
  }
  sampleForeign(count: () => number): () => void {
    this.#foreign.add(count);
    return () => void this.#foreign.delete(count);
  }
}

function register<S>(samples: Map<string, Set<S>>, kind: string, sample: S): () => void {
  const ofKind = samples.get(kind) ?? new Set();
  samples.set(kind, ofKind.add(sample));
  return () => void ofKind.delete(sample);
}
