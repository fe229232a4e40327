import { NEVER, orAborted } from "../../aborted.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import type { Term } from "../../kube/leader.ts";
import type { Log } from "../../log.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, Lane, PhoneNumber, Twilio, TwilioAccount } from "../../twilio/twilio.ts";
import {
  digits,
  readSurroundings,
  type Snapshot,
  type Surroundings,
  sameSurroundings,
  snapshotOf,
} from "./snapshot.ts";

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
export class Account {
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

export interface AccountsOptions {
  twilio: Twilio;
  clock: Clock;
  log: Log;
  resyncIntervalMs: number;
  /** Called after each resync, also a failed one: the account's numbers are to be compared again. */
  onResync(fingerprint: string): void;
  /** Is some number of the account not Ready because of what surrounds numbers? Then each resync reads that, too. */
  waitsForSurroundings(fingerprint: string): boolean;
  /** Between 0 and 1; tests make it constant. */
  random?: () => number;
}

/**
 * All accounts in use, each resynced on its own jittered timer for as long as some WorkStream uses it. What was seen of them
 * ends with the term: another leader may have changed it since.
 */
export class Accounts {
  readonly #options: AccountsOptions;
  readonly #accounts = new Map<
    string,
    { account: Account; users: Set<string>; promoted: boolean; suspect: boolean; cancel: () => void }
  >();
  readonly #accountOf = new Map<string, string>();
  readonly #stop = new AbortController();
  #ending: AbortSignal = this.#stop.signal;
  #term: Pick<Term, "signal" | "remainingMs"> | undefined;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** Resyncs until the term ends; before the first one none begins. */
  begin(term: Pick<Term, "signal" | "remainingMs">) {
    // Whoever was still at work after the last term's end may have left something.
    this.#forget();
    this.#term = term;
    this.#ending = AbortSignal.any([term.signal, this.#stop.signal]);
    term.signal.addEventListener("abort", () => this.#forget(), { once: true });
  }

  /** The account for these credentials, used by `user` (a WorkStream's key) until `release`. */
  use(user: string, credentials: Credentials): Account {
    const twilio = this.#options.twilio.account(credentials);
    let entry = this.#accounts.get(twilio.fingerprint);
    if (entry === undefined) {
      entry = {
        account: new Account(twilio, this.#options.clock, this.#ending),
        users: new Set(),
        promoted: twilio.promoted,
        suspect: false,
        cancel: () => {},
      };
      this.#accounts.set(twilio.fingerprint, entry);
      this.#arm(twilio.fingerprint);
    }
    if (this.#accountOf.get(user) !== twilio.fingerprint) {
      this.release(user);
      this.#accountOf.set(user, twilio.fingerprint);
      entry.users.add(user);
    }
    return entry.account;
  }

  fingerprintOf(credentials: Credentials): string {
    return this.#options.twilio.account(credentials).fingerprint;
  }

  /** For a call that must not start resyncs: a finalizer's. */
  once(credentials: Credentials): Account {
    const twilio = this.#options.twilio.account(credentials);
    return (
      this.#accounts.get(twilio.fingerprint)?.account ??
      new Account(twilio, this.#options.clock, this.#ending)
    );
  }

  release(user: string) {
    const fingerprint = this.#accountOf.get(user);
    if (fingerprint === undefined) return;
    this.#accountOf.delete(user);
    const entry = this.#accounts.get(fingerprint);
    entry?.users.delete(user);
    if (entry === undefined || entry.users.size > 0) return;
    entry.cancel();
    this.#accounts.delete(fingerprint);
  }

  /** Texts that used to come to this user's numbers come no more: the next resync looks at what may take them. */
  suspect(user: string) {
    const entry = this.#accounts.get(this.#accountOf.get(user) ?? "");
    if (entry !== undefined) entry.suspect = true;
  }

  /** WorkStreams that use an account. */
  usersOf(fingerprint: string): ReadonlySet<string> {
    return this.#accounts.get(fingerprint)?.users ?? new Set();
  }

  /** Once for each promotion: the secondary token took over since the last question. */
  tokenWasPromoted(fingerprint: string): boolean {
    const entry = this.#accounts.get(fingerprint);
    if (entry === undefined || entry.account.twilio.promoted === entry.promoted) return false;
    entry.promoted = entry.account.twilio.promoted;
    return true;
  }

  stop() {
    this.#stop.abort(new Error("accounts stopped"));
    this.#forget();
  }

  #forget() {
    this.#term = undefined;
    for (const { cancel } of this.#accounts.values()) cancel();
    this.#accounts.clear();
    this.#accountOf.clear();
  }

  /** Spread by ±10 %, so that a thousand accounts do not ask in the same second. */
  #arm(fingerprint: string) {
    const { clock, resyncIntervalMs, random = Math.random } = this.#options;
    const entry = this.#accounts.get(fingerprint);
    if (entry === undefined || this.#term === undefined) return;
    entry.cancel = clock.after(
      resyncIntervalMs * (0.9 + 0.2 * random()),
      () => void this.#resync(fingerprint),
    );
  }

  async #resync(fingerprint: string) {
    const { clock, log, onResync } = this.#options;
    const entry = this.#accounts.get(fingerprint);
    const term = this.#term;
    // A process that was frozen may get here before it has noticed that its term is over.
    if (entry === undefined || term === undefined || term.remainingMs() <= 0) return;
    const forgotten = () => this.#accounts.get(fingerprint) !== entry;
    const surroundingsToo = this.#surroundingsToo(fingerprint, entry);
    const { suspect } = entry;
    // One that comes during the reading is for the next.
    if (surroundingsToo.surroundingsSinceMs !== undefined) entry.suspect = false;
    try {
      const [user = ""] = entry.users;
      await entry.account.since(clock.monotonic(), {
        lane: "resync",
        tenant: user.split("/")[0]!,
        signal: this.#ending,
        remainingLeaseMs: () => term.remainingMs(),
        ...surroundingsToo,
      });
    } catch (error) {
      if (forgotten()) return;
      entry.suspect ||= suspect;
      entry.account.failedResyncs += 1;
      log.warn(
        { err: error, account: fingerprint, inARow: entry.account.failedResyncs },
        "account resync failed",
      );
    }
    if (forgotten()) return;
    onResync(fingerprint);
    this.#arm(fingerprint);
  }

  /** At rest what surrounds the numbers is read once an hour; sooner while it would tell something, within its bound. */
  #surroundingsToo(
    fingerprint: string,
    entry: { account: Account; suspect: boolean },
  ): Pick<LookOptions, "surroundingsSinceMs"> {
    const { clock, waitsForSurroundings } = this.#options;
    const now = clock.monotonic();
    const { account, suspect } = entry;
    const hasReason = suspect || account.isChanging || waitsForSurroundings(fingerprint);
    if (!hasReason || now < account.surroundingsFromMs) return {};
    return { surroundingsSinceMs: now };
  }
}
