/**
 * The Twilio accounts in use, and the timer on which each is compared with what its numbers should look like.
 * Twilio tells nobody of changes made there, so drift is found by looking.
 */

import type { Clock } from "../../clock.ts";
import type { Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { Twilio } from "../../twilio/twilio.ts";
import { AccountView, type LookOptions } from "./account-view.ts";

/** What a resync came to, for those who compare numbers afterwards. */
export interface Resynced {
  /** Keys of the WorkStreams that use the account. */
  streams: ReadonlySet<string>;
  /** The secondary token took over since the last resync. Told once for each promotion. */
  promoted: boolean;
}

/** Where accounts come from, and who hears of resyncs. */
export interface AccountsOptions {
  twilio: Twilio;
  clock: Clock;
  log: Log;
  resyncIntervalMs: number;
  /** Called after each resync, also a failed one: the account's numbers are to be compared again. */
  onResync(resynced: Resynced): void;
  /**
   * Is some number of these streams not Ready because of what surrounds numbers? Then each resync reads that as
   * well (ADR 30).
   */
  waitsForSurroundings(streams: ReadonlySet<string>): boolean;
  /** Between 0 and 1; tests make it constant. */
  random?: () => number;
}

/** An account in use. */
interface AccountInUse {
  account: AccountView;
  /** Keys of the WorkStreams that use it. */
  users: Set<string>;
  /** Was the secondary token the one that worked, when that was told last? */
  promoted: boolean;
  /** Texts that used to come no longer come. */
  suspect: boolean;
  cancel: () => void;
}

/**
 * All accounts in use, each resynced on its own jittered timer as long as some WorkStream uses it. What was seen of
 * them ends with the term: the next leader may change it.
 */
export class Accounts {
  readonly #options: AccountsOptions;
  /**
   * By the credentials' fingerprint, never by account SID: a SID is no secret, and naming one must not show what
   * others' credentials opened.
   */
  readonly #accounts = new Map<string, AccountInUse>();
  readonly #accountOf = new Map<string, string>();
  readonly #stop = new AbortController();
  #ending: AbortSignal = this.#stop.signal;
  #term: Pick<Term, "signal" | "remainingMs"> | undefined;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** Resyncs until the term ends; before the first term nothing is resynced. */
  begin(term: Pick<Term, "signal" | "remainingMs">) {
    // Attempts that were still running after the last term's end may have left something.
    this.#forgetAll();
    this.#term = term;
    this.#ending = AbortSignal.any([term.signal, this.#stop.signal]);
    term.signal.addEventListener("abort", () => this.#forgetAll(), { once: true });
  }

  /**
   * The account for these credentials. Counts as used by `user` (a WorkStream's key) until `stopUsing`, or until
   * the user comes with others.
   */
  use(user: string, credentials: Credentials): AccountView {
    const twilio = this.#options.twilio.account(credentials);
    let entry = this.#accounts.get(twilio.fingerprint);
    if (entry === undefined) {
      entry = {
        account: new AccountView(twilio, this.#options.clock, this.#ending),
        users: new Set(),
        promoted: twilio.promoted,
        suspect: false,
        cancel: () => {},
      };
      this.#accounts.set(twilio.fingerprint, entry);
      this.#arm(twilio.fingerprint);
    }
    if (this.#accountOf.get(user) !== twilio.fingerprint) {
      this.stopUsing(user);
      this.#accountOf.set(user, twilio.fingerprint);
      entry.users.add(user);
    }
    return entry.account;
  }

  /** Identifies credentials without showing them. */
  fingerprintOf(credentials: Credentials): string {
    return this.#options.twilio.account(credentials).fingerprint;
  }

  /** For a single call that must not start resyncs, such as a finalizer's. */
  once(credentials: Credentials): AccountView {
    const twilio = this.#options.twilio.account(credentials);
    return (
      this.#accounts.get(twilio.fingerprint)?.account ??
      new AccountView(twilio, this.#options.clock, this.#ending)
    );
  }

  /** The stream is gone, or its credentials are no longer good. The last user ends the account's timer. */
  stopUsing(user: string) {
    const fingerprint = this.#accountOf.get(user);
    if (fingerprint === undefined) return;
    this.#accountOf.delete(user);
    const entry = this.#accounts.get(fingerprint);
    entry?.users.delete(user);
    if (entry === undefined || entry.users.size > 0) return;
    entry.cancel();
    this.#accounts.delete(fingerprint);
  }

  /** Texts that used to come to this user's numbers no longer come: the next resync looks at what may take them. */
  suspect(user: string) {
    const entry = this.#accounts.get(this.#accountOf.get(user) ?? "");
    if (entry !== undefined) entry.suspect = true;
  }

  stop() {
    this.#stop.abort(new Error("accounts stopped"));
    this.#forgetAll();
  }

  #forgetAll() {
    this.#term = undefined;
    for (const { cancel } of this.#accounts.values()) cancel();
    this.#accounts.clear();
    this.#accountOf.clear();
  }

  /**
   * Spread by 10 % either way, so that a thousand accounts that appeared at once do not ask in the same second for
   * ever.
   */
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
    // A process that was frozen may get here before it has noticed that its term is over. The Lease, not the timer,
    // says who may ask.
    if (entry === undefined || term === undefined || term.remainingMs() <= 0) return;
    const isUnused = () => this.#accounts.get(fingerprint) !== entry;
    const surroundingsToo = this.#surroundingsToo(entry);
    const { suspect } = entry;
    // A suspicion that comes during the reading is for the next one.
    if (surroundingsToo.surroundingsSinceMs !== undefined) entry.suspect = false;
    try {
      // Some tenant must pay for the call in the fair shares (ADR 29); all users of the account share the answer.
      const [user = ""] = entry.users;
      await entry.account.since(clock.monotonic(), {
        lane: "resync",
        tenant: user.split("/")[0]!,
        signal: this.#ending,
        ...surroundingsToo,
      });
    } catch (error) {
      if (isUnused()) return;
      entry.suspect ||= suspect;
      entry.account.failedResyncs += 1;
      log.warn(
        { err: error, account: fingerprint, inARow: entry.account.failedResyncs },
        "account resync failed",
      );
    }
    if (isUnused()) return;
    // Called after each resync, also a failed one: the account's numbers are to be compared again, or must say that
    // Twilio is away.
    onResync({ streams: entry.users, promoted: tokenWasPromoted(entry) });
    this.#arm(fingerprint);
  }

  /**
   * At rest what surrounds the numbers is read once an hour; sooner while that could tell something, within the
   * account's bound (ADR 30).
   */
  #surroundingsToo(entry: AccountInUse): Pick<LookOptions, "surroundingsSinceMs"> {
    const { clock, waitsForSurroundings } = this.#options;
    const now = clock.monotonic();
    const { account, suspect, users } = entry;
    const hasReason = suspect || account.isChanging || waitsForSurroundings(users);
    if (!hasReason || now < account.surroundingsFromMs) return {};
    return { surroundingsSinceMs: now };
  }
}

/** Has the token that works changed since this was last told? */
function tokenWasPromoted(entry: AccountInUse): boolean {
  const { promoted } = entry.account.twilio;
  const isNews = promoted !== entry.promoted;
  entry.promoted = promoted;
  return isNews;
}
