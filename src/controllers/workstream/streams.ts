import type { Reason } from "../../api/reasons.ts";
import type { AccountView } from "../accounts/account-view.ts";

/** What the SmsNumbers of a WorkStream need to know of it, in this process; the WorkStream's reconciler writes it. */
export interface StreamState {
  /** Key of the route in the records; absent while Twilio has never accepted the credentials. */
  routeKey: string | undefined;
  /** Present only while the credentials are good: without them nothing is asked of Twilio. */
  account: AccountView | undefined;
  /** Why the stream can have no good URL, whatever the receiver says. */
  problem?: { reason: Reason; message: string } | undefined;
  credentials: { ok: true } | { ok: false; reason: Reason; message: string };
  /** Of the last credentials that were good: tells when the Secret brought others. */
  fingerprint?: string | undefined;
}

/** Why nothing can be known of a stream at the moment: Twilio does not answer. */
export interface StreamFailure {
  reason: Reason;
  message: string;
}

/** What is known of each stream, by its key (`namespace/name`). */
export class Streams {
  readonly #states = new Map<string, StreamState>();
  readonly #failures = new Map<string, StreamFailure>();
  readonly #listeners: ((key: string) => void)[] = [];

  /** Called with a stream's key when what is known of it differs. */
  onChange(listener: (key: string) => void) {
    this.#listeners.push(listener);
  }

  get(key: string): StreamState | undefined {
    return this.#states.get(key);
  }

  /** Of a stream of which nothing is known yet; undefined when nothing has failed. */
  failure(key: string): StreamFailure | undefined {
    return this.#states.has(key) ? undefined : this.#failures.get(key);
  }

  /** The look at a stream failed. What was known of it stays. */
  failed(key: string, { reason, message }: StreamFailure) {
    const before = this.failure(key);
    this.#failures.set(key, { reason, message });
    if (!this.#states.has(key) && (before?.reason !== reason || before.message !== message)) this.#tell(key);
  }

  set(key: string, state: StreamState) {
    this.#failures.delete(key);
    const before = this.#states.get(key);
    this.#states.set(key, state);
    if (before === undefined || !same(before, state)) this.#tell(key);
  }

  /** All at once, and without a word: whoever begins anew looks at everything anyway. */
  clear() {
    this.#states.clear();
    this.#failures.clear();
  }

  delete(key: string) {
    this.#failures.delete(key);
    if (this.#states.delete(key)) this.#tell(key);
  }

  #tell(key: string) {
    for (const listener of this.#listeners) listener(key);
  }
}

function same(a: StreamState, b: StreamState): boolean {
  return (
    a.routeKey === b.routeKey &&
    a.account === b.account &&
    JSON.stringify([a.credentials, a.problem]) === JSON.stringify([b.credentials, b.problem])
  );
}
