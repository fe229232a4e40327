import type { Reason } from "../../api/reasons.ts";
import type { AccountView } from "../accounts/account-view.ts";

/**
 * What the SmsNumbers of a WorkStream need to know about it. The WorkStream's reconciler writes it. This state
 * exists only in this process: after a restart it is determined again.
 */
export interface StreamState {
  /** Key of the route in the records; undefined while Twilio has never accepted the credentials. */
  routeKey: string | undefined;
  /** The Twilio account; undefined while the credentials are bad, because Twilio would refuse every call. */
  account: AccountView | undefined;
  /**
   * Why the WorkStream's URL cannot work, even if the self-check succeeds; undefined when there is no such reason.
   */
  problem?: { reason: Reason; message: string } | undefined;
  credentials: { ok: true } | { ok: false; reason: Reason; message: string };
  /**
   * Fingerprint of the last credentials that were good. When it changes, the Secret holds other credentials than
   * before.
   */
  fingerprint?: string | undefined;
}

/** Why nothing can be known about a WorkStream at the moment, for example because Twilio does not answer. */
export interface StreamFailure {
  reason: Reason;
  message: string;
}

/**
 * What is known about each WorkStream, by its key (`namespace/name`). An SmsNumber's reconciler reads this instead
 * of the WorkStream's status, which is only up to date after a write and a watch event.
 */
export class Streams {
  readonly #states = new Map<string, StreamState>();
  readonly #failures = new Map<string, StreamFailure>();
  readonly #listeners: ((key: string) => void)[] = [];

  /**
   * Registers a listener. It is called with a WorkStream's key when what is known about that WorkStream changes.
   */
  onChange(listener: (key: string) => void) {
    this.#listeners.push(listener);
  }

  /**
   * Returns what is known about a WorkStream; undefined until an attempt of this term of leadership has found it
   * out.
   */
  get(key: string): StreamState | undefined {
    return this.#states.get(key);
  }

  /**
   * Returns why the last attempt at a WorkStream failed. Undefined when no attempt has failed, or when something is
   * known about the WorkStream.
   */
  failure(key: string): StreamFailure | undefined {
    return this.#states.has(key) ? undefined : this.#failures.get(key);
  }

  /** Records that an attempt at the WorkStream failed. What was known about the WorkStream stays. */
  failed(key: string, { reason, message }: StreamFailure) {
    const before = this.failure(key);
    this.#failures.set(key, { reason, message });
    if (!this.#states.has(key) && (before?.reason !== reason || before.message !== message)) this.#tell(key);
  }

  /**
   * Records the result of an attempt at the WorkStream. Listeners are called only if the result changed; otherwise
   * every resync of a WorkStream would wake its numbers.
   */
  set(key: string, state: StreamState) {
    this.#failures.delete(key);
    const before = this.#states.get(key);
    this.#states.set(key, state);
    if (before === undefined || !same(before, state)) this.#tell(key);
  }

  /** Forgets everything without calling listeners: at the start of a term every object gets an attempt anyway. */
  clear() {
    this.#states.clear();
    this.#failures.clear();
  }

  /** Forgets a WorkStream that was deleted. */
  delete(key: string) {
    this.#failures.delete(key);
    if (this.#states.delete(key)) this.#tell(key);
  }

  #tell(key: string) {
    for (const listener of this.#listeners) listener(key);
  }
}

/** Compares the parts of two states that SmsNumbers use: the account by identity, the other parts by value. */
function same(a: StreamState, b: StreamState): boolean {
  return (
    a.routeKey === b.routeKey &&
    a.account === b.account &&
    JSON.stringify([a.credentials, a.problem]) === JSON.stringify([b.credentials, b.problem])
  );
}
