import { NEVER, orAborted } from "../../aborted.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { MultiMap } from "../../multimap.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, CredentialCheck, Twilio, TwilioAccount } from "../../twilio/twilio.ts";

interface Known {
  answer: Promise<CredentialCheck>;
  askedAtMs: number;
  failed: boolean;
}

export interface CheckOptions extends CallOptions {
  /** A bad answer does not stand for a resync, nor for who has done something since: it may have been mended at Twilio. */
  again: boolean;
  touchedAtMs: number;
}

/**
 * What Twilio thinks of credentials, asked once for each set of them, however many WorkStreams share it. A good answer stands
 * until some call is refused; a bad one until the next resync, or until a user touches a stream or its Secret. It goes with the
 * last stream that has these.
 */
export class CredentialChecks {
  readonly #twilio: Pick<Twilio, "account">;
  readonly #clock: Clock;
  /** By the credentials' fingerprint. */
  readonly #known = new Map<string, Known>();
  readonly #users = new MultiMap<string, string>();
  readonly #fingerprintOf = new Map<string, string>();
  #ending = NEVER;

  constructor(twilio: Pick<Twilio, "account">, clock: Clock) {
    this.#twilio = twilio;
    this.#clock = clock;
  }

  /**
   * For `user`, a WorkStream's key, until it asks about others or is released. Throws the Failure that Twilio's answer means.
   * With the signal aborted only this caller stops waiting: others may wait for the same
   * answer.
   */
  async check(
    user: string,
    credentials: Credentials,
    { again, touchedAtMs, ...options }: CheckOptions,
  ): Promise<CredentialCheck> {
    const account = this.#twilio.account(credentials);
    const { fingerprint } = account;
    this.#use(user, fingerprint);
    const before = this.#known.get(fingerprint);
    const isOld = (known: Known) => known.failed && (again || known.askedAtMs < touchedAtMs);
    if (before === undefined || isOld(before)) return await this.#ask(account, options);
    try {
      return await orAborted(before.answer, options.signal);
    } catch (error) {
      // It was being asked before the touch, and turned out to be bad after it.
      if (before.failed && before.askedAtMs < touchedAtMs) return await this.#ask(account, options);
      throw error;
    }
  }

  async #ask(account: TwilioAccount, options: CallOptions): Promise<CredentialCheck> {
    const { fingerprint } = account;
    const known: Known = {
      answer: account.check({ ...options, signal: this.#ending }),
      askedAtMs: this.#clock.monotonic(),
      failed: false,
    };
    this.#known.set(fingerprint, known);
    known.answer.catch((error: unknown) => {
      // Only a verdict is worth keeping: an outage is asked about again at the next try.
      if (error instanceof Failure && error.class === "stalled") known.failed = true;
      else if (this.#known.get(fingerprint) === known) this.#known.delete(fingerprint);
    });
    return await orAborted(known.answer, options.signal);
  }

  /** Some call with these credentials was refused: what was found before may no longer hold. */
  forget(fingerprint: string) {
    this.#known.delete(fingerprint);
  }

  /** The stream is gone. */
  release(user: string) {
    const fingerprint = this.#fingerprintOf.get(user);
    if (fingerprint === undefined) return;
    this.#fingerprintOf.delete(user);
    this.#users.delete(fingerprint, user);
    if (this.#users.count(fingerprint) === 0) this.forget(fingerprint);
  }

  #use(user: string, fingerprint: string) {
    if (this.#fingerprintOf.get(user) === fingerprint) return;
    this.release(user);
    this.#fingerprintOf.set(user, fingerprint);
    this.#users.add(fingerprint, user);
  }

  /** From now on questions end with this signal: that of a term. */
  begin(signal: AbortSignal) {
    this.#ending = signal;
  }

  /** At the end of a term: whoever leads next asks anew. */
  clear() {
    for (const map of [this.#known, this.#users, this.#fingerprintOf]) map.clear();
  }
}
