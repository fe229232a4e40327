import { NEVER, orAborted } from "../../aborted.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { MultiMap } from "../../multimap.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, CredentialCheck, Twilio, TwilioAccount } from "../../twilio/twilio.ts";

interface KnownAnswer {
  answer: Promise<CredentialCheck>;
  askedAtMs: number;
  /** `down`: Twilio could not tell. */
  state: "asking" | "good" | "bad" | "down";
  settledAtMs: number;
  /** Some call was refused meanwhile: an answer that they are good may be from before that, and is not kept. */
  doubted: boolean;
}

/** How long a failure to ask Twilio is taken as the answer: a thousand streams need not each find out that it is down. */
const FAILURE_STANDS_MS = 2000;

export interface CheckOptions extends CallOptions {
  /** A bad answer does not stand for a resync, nor for who has done something since: it may have been mended at Twilio. */
  again: boolean;
  /** By the monotonic clock. */
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
  readonly #resyncIntervalMs: number;
  /** By the credentials' fingerprint. */
  readonly #known = new Map<string, KnownAnswer>();
  readonly #users = new MultiMap<string, string>();
  readonly #fingerprintOf = new Map<string, string>();
  #ending = NEVER;

  constructor(twilio: Pick<Twilio, "account">, clock: Clock, resyncIntervalMs: number) {
    this.#twilio = twilio;
    this.#clock = clock;
    this.#resyncIntervalMs = resyncIntervalMs;
  }

  /**
   * For `user`, a WorkStream's key, until it asks about others or is released. Throws the Failure that Twilio's answer means.
   * With the signal aborted only this caller stops waiting: others may wait for the same
   * answer.
   */
  async check(user: string, credentials: Credentials, options: CheckOptions): Promise<CredentialCheck> {
    const account = this.#twilio.account(credentials);
    this.#use(user, account.fingerprint);
    for (;;) {
      const before = this.#known.get(account.fingerprint);
      const { again: _, touchedAtMs, ...call } = options;
      const known = before === undefined || this.#isOld(before, options) ? this.#ask(account, call) : before;
      try {
        return await orAborted(known.answer, options.signal);
      } catch (error) {
        // It was being asked before the touch, and turned out to be bad after it: all who waited share the next answer.
        if (known.state !== "bad" || known.askedAtMs >= touchedAtMs) throw error;
      }
    }
  }

  #isOld({ state, askedAtMs, settledAtMs }: KnownAnswer, { again, touchedAtMs }: CheckOptions): boolean {
    const now = this.#clock.monotonic();
    if (state === "down") return now - settledAtMs >= FAILURE_STANDS_MS;
    if (state !== "bad") return false;
    // Each of a thousand streams has a resync of its own in each interval; one of them asks for all.
    return askedAtMs < touchedAtMs || (again && now - askedAtMs >= this.#resyncIntervalMs / 2);
  }

  #ask(account: TwilioAccount, options: CallOptions): KnownAnswer {
    const { fingerprint } = account;
    const now = this.#clock.monotonic();
    const known: KnownAnswer = {
      answer: account.check({ ...options, signal: this.#ending }),
      askedAtMs: now,
      state: "asking",
      settledAtMs: now,
      doubted: false,
    };
    this.#known.set(fingerprint, known);
    const settle = (state: KnownAnswer["state"], isKept: boolean) => {
      known.state = state;
      known.settledAtMs = this.#clock.monotonic();
      if (!isKept && this.#known.get(fingerprint) === known) this.#known.delete(fingerprint);
    };
    known.answer.then(
      () => settle("good", !known.doubted),
      (error: unknown) =>
        settle(
          error instanceof Failure && error.class === "stalled" ? "bad" : "down",
          error instanceof Failure,
        ),
    );
    return known;
  }

  /** Some call with these credentials was refused: that they were good may no longer hold. A bad answer stands. */
  forget(fingerprint: string) {
    const known = this.#known.get(fingerprint);
    if (known?.state === "good") this.#known.delete(fingerprint);
    else if (known?.state === "asking") known.doubted = true;
  }

  /** The stream is gone. */
  release(user: string) {
    const fingerprint = this.#fingerprintOf.get(user);
    if (fingerprint === undefined) return;
    this.#fingerprintOf.delete(user);
    this.#users.delete(fingerprint, user);
    if (this.#users.count(fingerprint) === 0) this.#known.delete(fingerprint);
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
