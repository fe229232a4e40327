/**
 * Checks credentials with Twilio, once for each set of credentials, however many WorkStreams share it: with a
 * thousand WorkStreams of one account, a restart costs one call and not a thousand. The difficult part is when to
 * check again. A wrong answer must not stay in use after its cause is gone, and a broken WorkStream must not call
 * Twilio again and again.
 */

import { NEVER, orAborted } from "../../aborted.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { MultiMap } from "../../multimap.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, CredentialCheck, Twilio, TwilioAccount } from "../../twilio/twilio.ts";

/** One check of credentials with Twilio, in progress or answered. */
interface KnownAnswer {
  answer: Promise<CredentialCheck>;
  askedAtMs: number;
  /** `bad`: Twilio refused the credentials. `down`: Twilio could not answer. */
  state: "asking" | "good" | "bad" | "down";
  answeredAtMs: number;
  /**
   * True when Twilio refused another call with these credentials during the check. If the check then succeeds,
   * Twilio may have decided before that refusal, so the good answer is not kept.
   */
  doubted: boolean;
}

/**
 * How long the failure of a check is the answer for all WorkStreams with the same credentials, so that a thousand
 * of them need not each find out that Twilio is down.
 */
const FAILURE_STANDS_MS = 2000;

/** The options of a check: how to call Twilio, and how old an answer may be. */
export interface CheckOptions extends CallOptions {
  /**
   * True to check again if the known answer is bad and older than half a resync interval: the problem may have been
   * fixed at Twilio in the meantime.
   */
  again: boolean;
  /**
   * When a user last changed the WorkStream or its Secret, by the monotonic clock. A bad answer from before that
   * time does not count.
   */
  touchedAtMs: number;
}

/**
 * Checks credentials and remembers the answers. A good answer counts until Twilio refuses a call. A bad answer
 * counts until the next resync, or until a user changes a WorkStream or its Secret. An answer is forgotten with the
 * last WorkStream that has these credentials.
 */
export class CredentialChecks {
  readonly #twilio: Pick<Twilio, "account">;
  readonly #clock: Clock;
  readonly #resyncIntervalMs: number;
  /** The known answers, by the fingerprint of the credentials. */
  readonly #known = new Map<string, KnownAnswer>();
  /** The keys of the WorkStreams that have each set of credentials, by fingerprint. */
  readonly #users = new MultiMap<string, string>();
  readonly #fingerprintOf = new Map<string, string>();
  #ending = NEVER;

  constructor(twilio: Pick<Twilio, "account">, clock: Clock, resyncIntervalMs: number) {
    this.#twilio = twilio;
    this.#clock = clock;
    this.#resyncIntervalMs = resyncIntervalMs;
  }

  /**
   * Checks the credentials for `user`, the key of a WorkStream. The WorkStream counts as a user of these
   * credentials until it checks other credentials, or until `stopUsing`. Throws a `Failure` when Twilio refuses the
   * credentials or cannot answer. When the signal aborts, only this wait for the answer ends: other WorkStreams may
   * wait for the same answer.
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
        // The check began before the user's change and failed after it, so check once more. All WorkStreams that
        // waited share the new answer.
        if (known.state !== "bad" || known.askedAtMs >= touchedAtMs) throw error;
      }
    }
  }

  #isOld({ state, askedAtMs, answeredAtMs }: KnownAnswer, { again, touchedAtMs }: CheckOptions): boolean {
    const now = this.#clock.monotonic();
    if (state === "down") return now - answeredAtMs >= FAILURE_STANDS_MS;
    if (state !== "bad") return false;
    // Each of a thousand WorkStreams with the same credentials has a resync of its own in each interval. With half
    // an interval as the limit, the first of them checks the credentials for all.
    return askedAtMs < touchedAtMs || (again && now - askedAtMs >= this.#resyncIntervalMs / 2);
  }

  #ask(account: TwilioAccount, options: CallOptions): KnownAnswer {
    const { fingerprint } = account;
    const now = this.#clock.monotonic();
    const known: KnownAnswer = {
      // The call to Twilio does not use the signal of the WorkStream that asked first: other WorkStreams wait for
      // the same answer, and only the end of the term ends the call.
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
          // The class "stalled" means that only a person can fix the problem. Any other failure may pass by itself.
          error instanceof Failure && error.class === "stalled" ? "bad" : "down",
          // An aborted call is not an answer, so it is not kept.
          error instanceof Failure,
        ),
    );
    return known;
  }

  /**
   * Reports that Twilio refused a call with these credentials. A good answer then no longer counts, and a bad
   * answer stays.
   */
  doubt(fingerprint: string) {
    const known = this.#known.get(fingerprint);
    if (known?.state === "good") this.#known.delete(fingerprint);
    else if (known?.state === "asking") known.doubted = true;
  }

  /** Reports that this WorkStream is gone or has other credentials. */
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

  /** Makes all later checks end when this signal aborts. The signal belongs to a term of leadership. */
  begin(signal: AbortSignal) {
    this.#ending = signal;
  }

  /** Forgets all answers at the end of a term, so that the next leader checks again. */
  clear() {
    for (const map of [this.#known, this.#users, this.#fingerprintOf]) map.clear();
  }
}
