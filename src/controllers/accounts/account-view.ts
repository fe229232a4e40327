import { NEVER, orAborted } from "../../aborted.ts";
import type { SmsNumber } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import type { CallOptions, Lane, PhoneNumber, TwilioAccount, WebhookChange } from "../../twilio/twilio.ts";
import type { Webhook } from "../../twilio/webhook.ts";
import {
  digits,
  readSurroundings,
  type Snapshot,
  type Surroundings,
  sameSurroundings,
  snapshotOf,
} from "./snapshot.ts";

type NumberType = SmsNumber["spec"]["type"];

/** How long a failure to read the account is taken as the answer. */
const FAILURE_STANDS_MS = 2000;
/** How often services, short codes and Conversations addresses are looked at while nobody has a reason to look sooner. */
const SURROUNDINGS_MS = 3_600_000;
/** Whoever changes them may not be done: for so long they are looked at in each resync. */
const CHANGING_MS = 3_600_000;
/** Readings of them before their time: no sooner after the last one, and later where there is much to read. */
const EXTRA_READING_MS = 10_000;
const EXTRA_READING_MS_PER_CALL = 500;

export interface LookOptions extends CallOptions {
  /** When the reading of what surrounds the numbers must have begun; absent: the hourly one is young enough. */
  surroundingsSinceMs?: number;
}

interface NumberList {
  list: readonly PhoneNumber[];
  takenAtMs: number;
}

interface Reading {
  startedMs: number;
  surroundings: boolean;
  promise: Promise<Snapshot>;
}

/**
 * A Twilio account as seen with one set of credentials: one paged list serves all its numbers. Keyed by the credentials'
 * fingerprint, never by account SID alone, so that nobody sees a list that their own credentials did not open.
 */
export class AccountView {
  readonly twilio: TwilioAccount;
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  #snapshot: Snapshot | undefined;
  #numbers: NumberList | undefined;
  #surroundings: Surroundings | undefined;
  /** When they were last found to be others than before. */
  #changedAtMs = Number.NEGATIVE_INFINITY;
  readonly #updated = new Map<string, { number: PhoneNumber; atMs: number }>();
  #failure: { error: unknown; atMs: number } | undefined;
  /** Under way: at most one for each lane. */
  readonly #readings = new Map<Lane, Reading>();
  /** Resyncs in a row that failed. */
  failedResyncs = 0;

  /** `ending` ends readings: they are shared, so that none ends with whoever asked first. */
  constructor(twilio: TwilioAccount, clock: Clock, ending: AbortSignal = NEVER) {
    this.twilio = twilio;
    this.#clock = clock;
    this.#ending = ending;
  }

  /** The last look, however old; undefined before the first. */
  get latest(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** From when on what surrounds the numbers may be read before its time: a bound for each account, whoever asks. */
  get surroundingsFromMs(): number {
    if (this.#surroundings === undefined) return 0;
    const { takenAtMs, calls } = this.#surroundings;
    return takenAtMs + Math.max(EXTRA_READING_MS, calls * EXTRA_READING_MS_PER_CALL);
  }

  /** Somebody is changing what surrounds the numbers. */
  get isChanging(): boolean {
    return this.#clock.monotonic() - this.#changedAtMs < CHANGING_MS;
  }

  /**
   * A snapshot whose reading began at `sinceMs` or later: the one at hand, the one under way, or a new one. Who comes after a
   * reading began shares the next one with all others who do, so that a thousand numbers applied one after another, or looked
   * at while Twilio hangs, are not a thousand lists. Only a user's change does not wait for a resync's reading. With the
   * signal aborted this caller stops waiting, and the reading goes on.
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
      const nothingToWaitFor =
        options.lane === "change" ? !this.#readings.has("change") : readings.length === 0;
      if (nothingToWaitFor) return await orAborted(this.#begin(options, !isYoung), options.signal);
      await orAborted(Promise.race(readings.map(({ promise }) => promise.catch(() => {}))), options.signal);
    }
  }

  async #begin(options: CallOptions, surroundingsToo: boolean): Promise<Snapshot> {
    const startedMs = this.#clock.monotonic();
    const stale =
      this.#surroundings === undefined || startedMs - this.#surroundings.takenAtMs >= SURROUNDINGS_MS;
    const surroundings = surroundingsToo || stale;
    // A thousand numbers that share this account must not each find out for themselves that Twilio is down.
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
      if (error instanceof Failure) this.#failure = { error, atMs: this.#clock.monotonic() };
      throw error;
    } finally {
      this.#readings.delete(options.lane);
    }
  }

  /** A number that the last list does not have; found, it is part of the snapshot. */
  async find(spec: string, options: CallOptions): Promise<PhoneNumber | undefined> {
    const found = await this.twilio.findNumber(`+${spec}`, options);
    if (found === null) return undefined;
    this.noteUpdated(found);
    return found;
  }

  /** One number by its SID, not as part of a long list; null: Twilio says that the account has no such number. */
  async fetch(type: NumberType, sid: string, options: CallOptions): Promise<PhoneNumber | null> {
    if (type !== "ShortCode") return await this.twilio.getNumber(sid, options);
    const shortCodes = await this.twilio.listShortCodes(options);
    return shortCodes.find((each) => each.sid === sid) ?? null;
  }

  /**
   * Sets a number's webhook; Twilio's answer is the read-back. It becomes part of the snapshot by `noteUpdated`, once the caller has
   * seen in it that Twilio did what it was asked: a cache in between may answer with what was there before.
   */
  async update(number: PhoneNumber, webhook: Webhook, options: CallOptions): Promise<PhoneNumber> {
    const change = webhook as WebhookChange;
    return number.kind === "shortCode"
      ? await this.twilio.updateShortCode(number.sid, change, options)
      : await this.twilio.updateNumber(number.sid, change, options);
  }

  /** Twilio's answer to an update is the read-back: it beats any list whose reading began before it. */
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

  #compose({ list, takenAtMs }: NumberList, surroundings: Surroundings): Snapshot {
    // Short codes are read with the surroundings, which can be an hour old: until then an update is what is known of one.
    for (const [sid, { number, atMs }] of this.#updated)
      if (atMs < (number.kind === "shortCode" ? surroundings.takenAtMs : takenAtMs))
        this.#updated.delete(sid);
    const current = (number: PhoneNumber) => this.#updated.get(number.sid)?.number ?? number;
    const shortCodes = surroundings.shortCodes.map(current);
    return snapshotOf(list.map(current), { ...surroundings, shortCodes }, takenAtMs);
  }

  #learn(read: Surroundings) {
    const before = this.#surroundings;
    if (before !== undefined && before.takenAtMs > read.takenAtMs) return;
    if (before !== undefined && !sameSurroundings(before, read)) this.#changedAtMs = this.#clock.monotonic();
    this.#surroundings = read;
  }
}
