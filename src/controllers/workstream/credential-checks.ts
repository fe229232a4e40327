/**
 * What Twilio thinks of credentials, asked once for each set of them, however many WorkStreams share it: with a
 * thousand streams of one account a restart costs one call and not a thousand. The difficulty is when to ask again.
 * A wrong answer must not outlive its cause, and a stream that is broken must not ask for ever.
 */

import { NEVER, orAborted } from "../../aborted.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { MultiMap } from "../../multimap.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, CredentialCheck, Twilio, TwilioAccount } from "../../twilio/twilio.ts";

/** One question to Twilio, under way or answered. */
interface KnownAnswer {
  answer: Promise<CredentialCheck>;
  askedAtMs: number;
  /** `bad`: Twilio refused them. `down`: Twilio could not tell. */
  state: "asking" | "good" | "bad" | "down";
  answeredAtMs: number;
  /**
   * Some call was refused while this was being asked. If the answer is "good", Twilio may have given it before that
   * refusal, so it is not kept.
   */
  doubted: boolean;
}

/**
 * How long a failure to ask stands as the answer, so that a thousand streams need not each find out that Twilio is
 * down.
 */
const FAILURE_STANDS_MS = 2000;

/** How to ask, and how old an answer may be. */
export interface CheckOptions extends CallOptions {
  /**
   * Ask again if the known answer is bad and older than half a resync: what was wrong may have been mended at
   * Twilio.
   */
  again: boolean;
  /**
   * When a user last touched the stream or its Secret, by the monotonic clock. A bad answer from before that does
   * not count.
   */
  touchedAtMs: number;
}

/**
 * A good answer stands until some call is refused; a bad one until the next resync, or until a user touches a
 * stream or its Secret. An answer goes with the last stream that has these credentials.
 */
export class CredentialChecks {
  readonly #twilio: Pick<Twilio, "account">;
  readonly #clock: Clock;
  readonly #resyncIntervalMs: number;
  /** By the credentials' fingerprint. */
  readonly #known = new Map<string, KnownAnswer>();
  /** Which streams have these credentials, by fingerprint. */
  readonly #users = new MultiMap<string, string>();
  readonly #fingerprintOf = new Map<string, string>();
  #ending = NEVER;

  constructor(twilio: Pick<Twilio, "account">, clock: Clock, resyncIntervalMs: number) {
    this.#twilio = twilio;
    this.#clock = clock;
    this.#resyncIntervalMs = resyncIntervalMs;
  }

  /**
   * Asks for `user`, the key of a WorkStream, which counts as a user of these credentials until it asks about
   * others or stops. Throws the `Failure` that Twilio's answer means. An aborted signal ends only this caller's
   * wait: others may wait for the same answer.
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
        // Asked before the touch, and answered "bad" after it: ask once more. All who waited share the new answer.
        if (known.state !== "bad" || known.askedAtMs >= touchedAtMs) throw error;
      }
    }
  }

  #isOld({ state, askedAtMs, answeredAtMs }: KnownAnswer, { again, touchedAtMs }: CheckOptions): boolean {
    const now = this.#clock.monotonic();
    if (state === "down") return now - answeredAtMs >= FAILURE_STANDS_MS;
    if (state !== "bad") return false;
    // Each of a thousand streams has a resync of its own in each interval; half an interval lets one of them ask
    // for all.
    return askedAtMs < touchedAtMs || (again && now - askedAtMs >= this.#resyncIntervalMs / 2);
  }

  #ask(account: TwilioAccount, options: CallOptions): KnownAnswer {
    const { fingerprint } = account;
    const now = this.#clock.monotonic();
    const known: KnownAnswer = {
      // Not the signal of the caller who happens to ask first: others wait for the same answer, and only the end of
      // the term ends it.
      answer: account.check({ ...options, signal: this.#ending }),
      askedAtMs: now,
      state: "asking",
      answeredAtMs: now,
      doubted: false,
    };
    this.#known.set(fingerprint, known);
    const noteAnswer = (state: KnownAnswer["state"], isKept: boolean) => {
      known.state = state;
      known.answeredAtMs = this.#clock.monotonic();
      if (!isKept && this.#known.get(fingerprint) === known) this.#known.delete(fingerprint);
    };
    known.answer.then(
      () => noteAnswer("good", !known.doubted),
      (error: unknown) =>
        noteAnswer(
          // A stalled class means that only a person can mend it; anything else may pass by itself.
          error instanceof Failure && error.class === "stalled" ? "bad" : "down",
          // An abort is no answer and is not kept.
          error instanceof Failure,
        ),
    );
    return known;
  }

  /** Some call with these credentials was refused, so a good answer may no longer hold. A bad answer stands. */
  doubt(fingerprint: string) {
    const known = this.#known.get(fingerprint);
    if (known?.state === "good") this.#known.delete(fingerprint);
    else if (known?.state === "asking") known.doubted = true;
  }

  /** This stream is gone, or has other credentials. */
  stopUsing(user: string) {
    const fingerprint = this.#fingerprintOf.get(user);
    if (fingerprint === undefined) return;
    this.#fingerprintOf.delete(user);
    this.#users.delete(fingerprint, user);
    if (this.#users.count(fingerprint) === 0) this.#known.delete(fingerprint);
  }

  #use(user: string, fingerprint: string) {
    if (this.#fingerprintOf.get(user) === fingerprint) return;
    this.stopUsing(user);
    this.#fingerprintOf.set(user, fingerprint);
    this.#users.add(fingerprint, user);
  }

  /** From now on questions end with this signal, that of a term. */
  begin(signal: AbortSignal) {
    this.#ending = signal;
  }

  /** At the end of a term: the next leader asks anew. */
  clear() {
    for (const map of [this.#known, this.#users, this.#fingerprintOf]) map.clear();
  }
}
