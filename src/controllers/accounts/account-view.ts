/**
 * What this process last saw in a Twilio account, and the only place where readings of it begin. The rule is that
 * any number of callers cost one reading: with a thousand numbers, or a Twilio that hangs, each caller with a
 * reading of its own would use up the account's rate limit.
 */

import { NEVER, orAborted } from "../../aborted.ts";
import type { SmsNumber } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import type { CallOptions, Lane, PhoneNumber, TwilioAccount, WebhookChange } from "../../twilio/twilio.ts";
import type { Webhook } from "../../twilio/webhook.ts";
import {
  type AccountSurroundings,
  digits,
  readSurroundings,
  type Snapshot,
  sameSurroundings,
  snapshotOf,
} from "./snapshot.ts";

type NumberType = SmsNumber["spec"]["type"];

/** How long a failure to read stands as everybody's answer. */
const FAILURE_STANDS_MS = 2000;
/**
 * How often services, short codes and Conversations addresses are read while nobody has a reason to look sooner.
 * They change rarely and cost a call for each service.
 */
const SURROUNDINGS_MS = 3_600_000;
/** A person who changes them may not be done: so long they are read in each resync. */
const CHANGING_MS = 3_600_000;
/**
 * Readings before their time: no sooner than this after the last one, and later where there is much to read, so
 * that touching objects in a loop cannot use up the account's rate limit.
 */
const EXTRA_READING_MS = 10_000;
const EXTRA_READING_MS_PER_CALL = 500;

/** How Twilio is called, and how young the surroundings must be. */
export interface LookOptions extends CallOptions {
  /** When the reading of the surroundings must have begun; absent: the hourly one is young enough. */
  surroundingsSinceMs?: number;
}

/** The account's numbers as last listed. */
interface NumberList {
  list: readonly PhoneNumber[];
  takenAtMs: number;
}

/** A reading under way. */
interface Reading {
  startedMs: number;
  surroundings: boolean;
  promise: Promise<Snapshot>;
}

/**
 * A Twilio account as seen with one set of credentials. One paged list serves all its numbers: the alternative, a
 * call for each number, would be a thousand. Keyed by the credentials' fingerprint and never by account SID alone,
 * so that nobody sees a list that their own credentials did not open.
 */
export class AccountView {
  readonly twilio: TwilioAccount;
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  #snapshot: Snapshot | undefined;
  #numbers: NumberList | undefined;
  #surroundings: AccountSurroundings | undefined;
  /** When the surroundings were last found to differ from before. */
  #changedAtMs = Number.NEGATIVE_INFINITY;
  /** Answers to our updates, which are younger than the last list. */
  readonly #updated = new Map<string, { number: PhoneNumber; atMs: number }>();
  #failure: { error: unknown; atMs: number } | undefined;
  /** Readings under way, one for each lane at the most. */
  readonly #readings = new Map<Lane, Reading>();
  /** Resyncs in a row that failed. */
  failedResyncs = 0;

  /** `ending` ends readings. They are shared, so the caller who asked first must not end them. */
  constructor(twilio: TwilioAccount, clock: Clock, ending: AbortSignal = NEVER) {
    this.twilio = twilio;
    this.#clock = clock;
    this.#ending = ending;
  }

  /** The last snapshot, however old; undefined before the first. */
  get latest(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** From when on the surroundings may be read before their time. One bound for each account, whoever asks. */
  get surroundingsFromMs(): number {
    if (this.#surroundings === undefined) return 0;
    const { takenAtMs, calls } = this.#surroundings;
    return takenAtMs + Math.max(EXTRA_READING_MS, calls * EXTRA_READING_MS_PER_CALL);
  }

  /** Has somebody changed the surroundings within the last hour? */
  get isChanging(): boolean {
    return this.#clock.monotonic() - this.#changedAtMs < CHANGING_MS;
  }

  /**
   * A snapshot whose reading began at `sinceMs` or later: the one at hand, the one under way, or a new one. The
   * beginning counts, since a change at Twilio after it may be missing in the answer. Callers who come after a
   * reading began share the next one, so that a thousand numbers applied one after another are not a thousand
   * lists. Only a user's change does not wait for a resync's reading. An aborted signal ends this caller's wait,
   * not the reading.
   */
  async since(sinceMs: number, { surroundingsSinceMs = 0, ...options }: LookOptions): Promise<Snapshot> {
    for (;;) {
      const { takenAtMs = Number.NEGATIVE_INFINITY } = this.#surroundings ?? {};
      const isYoung = surroundingsSinceMs <= takenAtMs;
      if (this.#snapshot !== undefined && this.#snapshot.takenAtMs >= sinceMs && isYoung)
        return this.#snapshot;
      const readings = [...this.#readings.values()];
      const young = readings.find(
        ({ startedMs, surroundings }) =>
          startedMs >= sinceMs && (isYoung || (surroundings && startedMs >= surroundingsSinceMs)),
      );
      if (young !== undefined) return await orAborted(young.promise, options.signal);
      // A user's change starts a reading of its own beside a resync's, which can take minutes in a large account; a
      // resync waits for whatever is under way.
      const nothingToWaitFor =
        options.lane === "change" ? !this.#readings.has("change") : readings.length === 0;
      if (nothingToWaitFor) return await orAborted(this.#begin(options, !isYoung), options.signal);
      // What is under way began too early for this caller. Wait for its end and look again: by then another caller
      // may have begun the next one.
      await orAborted(Promise.race(readings.map(({ promise }) => promise.catch(() => {}))), options.signal);
    }
  }

  /** Starts a reading, of the surroundings too if asked or if they are an hour old. */
  async #begin(options: CallOptions, surroundingsToo: boolean): Promise<Snapshot> {
    const startedMs = this.#clock.monotonic();
    const stale =
      this.#surroundings === undefined || startedMs - this.#surroundings.takenAtMs >= SURROUNDINGS_MS;
    const surroundings = surroundingsToo || stale;
    // A thousand numbers that share this account must not each find out that Twilio is down.
    if (this.#failure !== undefined && startedMs - this.#failure.atMs < FAILURE_STANDS_MS)
      throw this.#failure.error;
    const promise = this.#read(startedMs, surroundings, { ...options, signal: this.#ending });
    this.#readings.set(options.lane, { startedMs, surroundings, promise });
    try {
      const snapshot = await promise;
      this.#failure = undefined;
      this.failedResyncs = 0;
      return snapshot;
    } catch (error) {
      // An abort is no answer of Twilio's.
      if (error instanceof Failure) this.#failure = { error, atMs: this.#clock.monotonic() };
      throw error;
    } finally {
      this.#readings.delete(options.lane);
    }
  }

  /** A number that the last list does not have, looked for by its digits. Found, it becomes part of the snapshot. */
  async find(spec: string, options: CallOptions): Promise<PhoneNumber | undefined> {
    const found = await this.twilio.findNumber(`+${spec}`, options);
    if (found === null) return undefined;
    this.noteUpdated(found);
    return found;
  }

  /**
   * One number by its SID, without a list; null: Twilio says that the account has no such number. Short codes are
   * listed instead: an account has a few at the most.
   */
  async fetch(type: NumberType, sid: string, options: CallOptions): Promise<PhoneNumber | null> {
    if (type !== "ShortCode") return await this.twilio.getNumber(sid, options);
    const shortCodes = await this.twilio.listShortCodes(options);
    return shortCodes.find((each) => each.sid === sid) ?? null;
  }

  /**
   * Sets a number's webhook and returns the number as Twilio answers it. The answer becomes part of the snapshot
   * only by `noteUpdated`, once the caller has seen in it that Twilio did what it was asked: a cache in between may
   * answer with the state from before.
   */
  async update(number: PhoneNumber, webhook: Webhook, options: CallOptions): Promise<PhoneNumber> {
    const change = webhook as WebhookChange;
    return number.kind === "shortCode"
      ? await this.twilio.updateShortCode(number.sid, change, options)
      : await this.twilio.updateNumber(number.sid, change, options);
  }

  /** This answer is younger than any list whose reading began before it. */
  noteUpdated(number: PhoneNumber) {
    this.#updated.set(number.sid, { number, atMs: this.#clock.monotonic() });
    this.#snapshot?.numbers.set(digits(number.phoneNumber), number);
  }

  async #read(startedMs: number, surroundingsToo: boolean, options: CallOptions): Promise<Snapshot> {
    const [numbers, read] = await Promise.all([
      this.twilio.listNumbers(options),
      surroundingsToo ? readSurroundings(this.twilio, options, startedMs, this.#surroundings) : undefined,
    ]);
    if (read !== undefined) this.#learn(read);
    // A reading that began earlier may end later.
    if (this.#numbers === undefined || this.#numbers.takenAtMs <= startedMs)
      this.#numbers = { list: numbers, takenAtMs: startedMs };
    this.#snapshot = this.#compose(this.#numbers, this.#surroundings!);
    return this.#snapshot;
  }

  #compose({ list, takenAtMs }: NumberList, surroundings: AccountSurroundings): Snapshot {
    // A list that began after our update has its result. Short codes are read with the surroundings, which can be
    // an hour old, so for them our answer lasts longer.
    for (const [sid, { number, atMs }] of this.#updated)
      if (atMs < (number.kind === "shortCode" ? surroundings.takenAtMs : takenAtMs))
        this.#updated.delete(sid);
    const current = (number: PhoneNumber) => this.#updated.get(number.sid)?.number ?? number;
    const shortCodes = surroundings.shortCodes.map(current);
    return snapshotOf(list.map(current), { ...surroundings, shortCodes }, takenAtMs);
  }

  /** Takes over a reading of the surroundings unless a younger one is there, and notes whether it shows a change. */
  #learn(read: AccountSurroundings) {
    const before = this.#surroundings;
    if (before !== undefined && before.takenAtMs > read.takenAtMs) return;
    if (before !== undefined && !sameSurroundings(before, read)) this.#changedAtMs = this.#clock.monotonic();
    this.#surroundings = read;
  }
}
