import type { Reason } from "../../api/reasons.ts";
import type { AccountView } from "../accounts/account-view.ts";

/**
 * What the SmsNumbers of a WorkStream need to know of it. Written by the WorkStream's reconciler, held in this
 * process only: after a restart it is found out again.
 */
export interface StreamState {
  /** Key of the route in the records; absent while Twilio has never accepted the credentials. */
  routeKey: string | undefined;
  /** Present only while the credentials are good: with bad ones every call would be refused. */
  account: AccountView | undefined;
  /** Why the stream can have no good URL, whatever the receiver says. */
  problem?: { reason: Reason; message: string } | undefined;
  credentials: { ok: true } | { ok: false; reason: Reason; message: string };
  /** Of the last credentials that were good; tells when the Secret brought others. */
  fingerprint?: string | undefined;
}

/** Why nothing can be known of a stream at the moment, for example because Twilio does not answer. */
export interface StreamFailure {
  reason: Reason;
  message: string;
}

/**
 * What is known of each stream, by its key (`namespace/name`). This is how a number's reconciler learns from its
 * stream's without reading the stream's status, which lags behind by a write and a watch.
 */
export class Streams {
  readonly #states = new Map<string, StreamState>();
  readonly #failures = new Map<string, StreamFailure>();
  readonly #listeners: ((key: string) => void)[] = [];

  /** Called with a stream's key when what is known of it differs. */
  onChange(listener: (key: string) => void) {
    this.#listeners.push(listener);
  }

  /** Undefined until the stream's first attempt in this term. */
  get(key: string): StreamState | undefined {
    return this.#states.get(key);
  }

  /** Why the first attempt failed, for a stream of which nothing is known yet; undefined when nothing has failed. */
  failure(key: string): StreamFailure | undefined {
    return this.#states.has(key) ? undefined : this.#failures.get(key);
  }

  /** An attempt failed. What was known of the stream stays. */
  failed(key: string, { reason, message }: StreamFailure) {
    const before = this.failure(key);
    this.#failures.set(key, { reason, message });
    if (!this.#states.has(key) && (before?.reason !== reason || before.message !== message)) this.#tell(key);
  }

  /**
   * An attempt ended. Listeners are called only if it changed something, or a stream's every resync would wake its
   * numbers.
   */
  set(key: string, state: StreamState) {
    this.#failures.delete(key);
    const before = this.#states.get(key);
    this.#states.set(key, state);
    if (before === undefined || !same(before, state)) this.#tell(key);
  }

  /** Forgets everything without calling listeners: at the start of a term every object is looked at anyway. */
  clear() {
    this.#states.clear();
    this.#failures.clear();
  }

  /** The stream is gone. */
  delete(key: string) {
    this.#failures.delete(key);
    if (this.#states.delete(key)) this.#tell(key);
  }

  #tell(key: string) {
    for (const listener of this.#listeners) listener(key);
  }
}

/** The account is compared by identity, the rest by value. */
function same(a: StreamState, b: StreamState): boolean {
  return (
    a.routeKey === b.routeKey &&
    a.account === b.account &&
    JSON.stringify([a.credentials, a.problem]) === JSON.stringify([b.credentials, b.problem])
  );
}
