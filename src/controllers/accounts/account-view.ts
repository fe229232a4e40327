/**
 * What this process last saw in a Twilio account. Readings of an account begin only here, and callers that need one at
 * the same time share it. If each caller began a reading of its own, the callers of a thousand numbers would use up the
 * rate limit of the account, and so would callers that try again while Twilio does not answer.
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

/** How long all callers get the error of a failed reading, without a new request to Twilio. */
const FAILURE_STANDS_MS = 2000;
/**
 * How often the Messaging Services, short codes and Conversations addresses of an account are read while there is no
 * reason to read them sooner. They change rarely, and reading them costs one or two calls for each service.
 */
const SURROUNDINGS_MS = 3_600_000;
/**
 * For this long after a change of Messaging Services, short codes or Conversations addresses, every resync reads them,
 * because the person who changes them may not be done.
 */
const CHANGING_MS = 3_600_000;
/**
 * The shortest time from one reading of Messaging Services and Conversations addresses to an extra one, which comes
 * before the hourly reading is due. This time grows with the number of calls that a reading needs. Without it a user
 * who changes objects in a loop could use up the rate limit of the account.
 */
const EXTRA_READING_MS = 10_000;
const EXTRA_READING_MS_PER_CALL = 500;

/** How Twilio is called, and how recent the data about Messaging Services and Conversations addresses must be. */
export interface LookOptions extends CallOptions {
  /**
   * The reading of Messaging Services and Conversations addresses must have begun at this time or later. If absent,
   * the hourly reading is recent enough.
   */
  surroundingsSinceMs?: number;
}

/** The numbers of the account as they were last listed. */
interface NumberList {
  list: readonly PhoneNumber[];
  takenAtMs: number;
}

/** A reading of the account that is under way. */
interface Reading {
  startedMs: number;
  surroundings: boolean;
  promise: Promise<Snapshot>;
}

/**
 * A Twilio account as seen with one set of credentials. One paged list serves all its numbers; a call for each number
 * would be a thousand calls. Each fingerprint of credentials has a view of its own, even if several belong to the same
 * account SID. So no user sees a list that was read with somebody else's credentials.
 */
export class AccountView {
  readonly twilio: TwilioAccount;
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  #snapshot: Snapshot | undefined;
  #numbers: NumberList | undefined;
  #surroundings: AccountSurroundings | undefined;
  /** When the Messaging Services, short codes or Conversations addresses were last found to have changed. */
  #changedAtMs = Number.NEGATIVE_INFINITY;
  /** Answers of Twilio to our updates that are more recent than the last list of numbers. */
  readonly #updated = new Map<string, { number: PhoneNumber; atMs: number }>();
  #failure: { error: unknown; atMs: number } | undefined;
  /** The readings under way: at most one for changes by users and one for resyncs. */
  readonly #readings = new Map<Lane, Reading>();
  /** How many resyncs in a row have failed. */
  failedResyncs = 0;

  /** When `ending` aborts, all readings end. Callers share the readings, so a caller's own signal does not end them. */
  constructor(twilio: TwilioAccount, clock: Clock, ending: AbortSignal = NEVER) {
    this.twilio = twilio;
    this.#clock = clock;
    this.#ending = ending;
  }

  /** The last snapshot, however old it is. Undefined before the first reading. */
  get latest(): Snapshot | undefined {
    return this.#snapshot;
  }

  /**
   * The earliest time for an extra reading of Messaging Services and Conversations addresses, before the hourly one is
   * due. All callers together have this one limit.
   */
  get surroundingsFromMs(): number {
    if (this.#surroundings === undefined) return 0;
    const { takenAtMs, calls } = this.#surroundings;
    return takenAtMs + Math.max(EXTRA_READING_MS, calls * EXTRA_READING_MS_PER_CALL);
  }

  /**
   * Whether Messaging Services, short codes or Conversations addresses were found to have changed within the last
   * hour.
   */
  get isChanging(): boolean {
    return this.#clock.monotonic() - this.#changedAtMs < CHANGING_MS;
  }

  /**
   * A snapshot whose reading began at `sinceMs` or later: the last one, the one under way, or a new one. What counts is
   * when the reading began, because a change at Twilio after that moment may be missing in the answer.
   *
   * Callers that come after a reading began share the next one. So a thousand numbers that are applied one after
   * another do not cause a thousand lists. There is one exception: a change by a user does not wait for the reading of
   * a resync. If `options.signal` aborts, this caller stops waiting and the reading goes on.
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
      // A change by a user starts a reading of its own even while a resync reads, because the reading of a resync can
      // take minutes in a large account. A resync waits for any reading under way.
      const nothingToWaitFor =
        options.lane === "change" ? !this.#readings.has("change") : readings.length === 0;
      if (nothingToWaitFor) return await orAborted(this.#begin(options, !isYoung), options.signal);
      // Each reading under way began too early for this caller. Wait until a reading ends and check again, because
      // another caller may have begun the next reading meanwhile.
      await orAborted(Promise.race(readings.map(({ promise }) => promise.catch(() => {}))), options.signal);
    }
  }

  /**
   * Starts a reading of the numbers. It includes Messaging Services and Conversations addresses if the caller wants
   * them or if the last data about them are an hour old.
   */
  async #begin(options: CallOptions, surroundingsToo: boolean): Promise<Snapshot> {
    const startedMs = this.#clock.monotonic();
    const stale =
      this.#surroundings === undefined || startedMs - this.#surroundings.takenAtMs >= SURROUNDINGS_MS;
    const surroundings = surroundingsToo || stale;
    // All callers get a recent failure as their answer: a thousand numbers that share this account must not each find
    // out that Twilio is down.
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
      // An abort is not an answer from Twilio, so it is not kept as the answer for later callers.
      if (error instanceof Failure) this.#failure = { error, atMs: this.#clock.monotonic() };
      throw error;
    } finally {
      this.#readings.delete(options.lane);
    }
  }

  /**
   * Asks Twilio for one number by its digits, when the last list does not have it. A number that Twilio finds becomes
   * part of the snapshot. Undefined: the account has no such number.
   */
  async find(spec: string, options: CallOptions): Promise<PhoneNumber | undefined> {
    const found = await this.twilio.findNumber(`+${spec}`, options);
    if (found === null) return undefined;
    this.noteUpdated(found);
    return found;
  }

  /**
   * Fetches one number by its SID, without a list. Null means that Twilio says the account has no such number. For a
   * short code the list of short codes is read instead, because an account has only a few.
   */
  async fetch(type: NumberType, sid: string, options: CallOptions): Promise<PhoneNumber | null> {
    if (type !== "ShortCode") return await this.twilio.getNumber(sid, options);
    const shortCodes = await this.twilio.listShortCodes(options);
    return shortCodes.find((each) => each.sid === sid) ?? null;
  }

  /**
   * Sets the webhook of a number and returns the number as Twilio's answer shows it. A cache between us and Twilio may
   * answer with the state from before the update. So `update` does not change the snapshot. Whoever calls `update`
   * first checks that the answer has the change, and then calls `noteUpdated`.
   */
  async update(number: PhoneNumber, webhook: Webhook, options: CallOptions): Promise<PhoneNumber> {
    const change = webhook as WebhookChange;
    return number.kind === "shortCode"
      ? await this.twilio.updateShortCode(number.sid, change, options)
      : await this.twilio.updateNumber(number.sid, change, options);
  }

  /**
   * Puts a number that Twilio returned just now into the snapshot. It counts as more recent than any list whose
   * reading began before this call.
   */
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
    // A reading that began before another one may end after it. Its list must not replace the list that is more recent.
    if (this.#numbers === undefined || this.#numbers.takenAtMs <= startedMs)
      this.#numbers = { list: numbers, takenAtMs: startedMs };
    this.#snapshot = this.#compose(this.#numbers, this.#surroundings!);
    return this.#snapshot;
  }

  #compose({ list, takenAtMs }: NumberList, surroundings: AccountSurroundings): Snapshot {
    // A list whose reading began after our update contains the result of the update, so the stored answer is dropped.
    // Short codes are read together with Messaging Services, and their last reading can be an hour ago, so an answer
    // about a short code is kept longer.
    for (const [sid, { number, atMs }] of this.#updated)
      if (atMs < (number.kind === "shortCode" ? surroundings.takenAtMs : takenAtMs))
        this.#updated.delete(sid);
    const current = (number: PhoneNumber) => this.#updated.get(number.sid)?.number ?? number;
    const shortCodes = surroundings.shortCodes.map(current);
    return snapshotOf(list.map(current), { ...surroundings, shortCodes }, takenAtMs);
  }

  /**
   * Stores a reading of Messaging Services and Conversations addresses unless a more recent one is stored. If the
   * reading differs from the stored one, also notes the time of this change.
   */
  #learn(read: AccountSurroundings) {
    const before = this.#surroundings;
    if (before !== undefined && before.takenAtMs > read.takenAtMs) return;
    if (before !== undefined && !sameSurroundings(before, read)) this.#changedAtMs = this.#clock.monotonic();
    this.#surroundings = read;
  }
}
