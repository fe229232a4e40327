/**
 * The Twilio accounts in use, and for each account a timer that starts its resync. A resync compares the numbers of the
 * account with their specs. Twilio sends no notice of changes to a webhook, so the operator has to read the webhooks
 * regularly to find drift.
 */

import type { Clock } from "../../clock.ts";
import type { Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { Twilio } from "../../twilio/twilio.ts";
import { AccountView, type LookOptions } from "./account-view.ts";

/** The result of a resync, for the parts that compare the numbers of the account with their specs afterwards. */
export interface Resynced {
  /** Keys of the WorkStreams that use the account. */
  streams: ReadonlySet<string>;
  /**
   * Whether the token that works has changed since the last resync, because the secondary token was promoted.
   * Reported once for each promotion.
   */
  promoted: boolean;
}

/** The Twilio client, and the functions that `Accounts` calls before and after a resync. */
export interface AccountsOptions {
  twilio: Twilio;
  clock: Clock;
  log: Log;
  resyncIntervalMs: number;
  /**
   * Called after each resync, even a failed one. It must cause the numbers of the account to be compared with their
   * specs again.
   */
  onResync(resynced: Resynced): void;
  /**
   * Whether a number of one of these streams is not Ready because of a Messaging Service, a short code or a
   * Conversations address. If so, each resync reads these settings as well (ADR 30).
   */
  waitsForSurroundings(streams: ReadonlySet<string>): boolean;
  /** Returns a random number between 0 and 1, which varies the time between resyncs; tests make it constant. */
  random?: () => number;
}

/** A Twilio account that some WorkStream uses. */
interface AccountInUse {
  account: AccountView;
  /** Keys of the WorkStreams that use this account. */
  users: Set<string>;
  /** Whether the secondary token was the token that worked, when `Resynced.promoted` was last computed. */
  promoted: boolean;
  /** Whether texts of a user's route have stopped coming, so that a setting at Twilio may take them. */
  suspect: boolean;
  cancel: () => void;
}

/**
 * All accounts in use. Each is resynced on a timer of its own as long as some WorkStream uses it; the timers vary at
 * random. What was seen of the accounts is forgotten when the term ends, because the next leader may change webhooks.
 */
export class Accounts {
  readonly #options: AccountsOptions;
  /**
   * The accounts by the fingerprint of their credentials. The account SID is never the key: it is not a secret, and a
   * user who names an account must not see what the credentials of other users opened.
   */
  readonly #accounts = new Map<string, AccountInUse>();
  readonly #accountOf = new Map<string, string>();
  readonly #stop = new AbortController();
  #ending: AbortSignal = this.#stop.signal;
  #term: Pick<Term, "signal" | "remainingMs"> | undefined;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /**
   * Begins a term of leadership. Accounts of the last term are forgotten. An account that comes into use from now on is
   * resynced until this term ends. Outside of a term no account is resynced.
   */
  begin(term: Pick<Term, "signal" | "remainingMs">) {
    // Attempts that were still running after the end of the last term may have added accounts.
    this.#forgetAll();
    this.#term = term;
    this.#ending = AbortSignal.any([term.signal, this.#stop.signal]);
    term.signal.addEventListener("abort", () => this.#forgetAll(), { once: true });
  }

  /**
   * The account for these credentials. It counts as used by `user` (the key of a WorkStream) until `stopUsing`, or
   * until the same user calls this with other credentials.
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

  /** A fingerprint that identifies credentials without revealing them. */
  fingerprintOf(credentials: Credentials): string {
    return this.#options.twilio.account(credentials).fingerprint;
  }

  /** The account for a single call that must not start resyncs, such as a call of a finalizer. */
  once(credentials: Credentials): AccountView {
    const twilio = this.#options.twilio.account(credentials);
    return (
      this.#accounts.get(twilio.fingerprint)?.account ??
      new AccountView(twilio, this.#options.clock, this.#ending)
    );
  }

  /**
   * Ends the use of an account by `user`, whose stream is gone or whose credentials are no longer valid. An account
   * without users is forgotten, and its timer ends.
   */
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

  /**
   * Makes the next resync of this user's account also read the services that may take its texts. Call this when texts
   * that used to come to the numbers of this user no longer come.
   */
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
   * Starts the timer of an account. The interval varies by 10 % either way; otherwise a thousand accounts that
   * appeared at the same time would always send their requests in the same second.
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
    // A process that was frozen may get here before it has noticed that its term is over. So the remaining time of
    // the Lease decides whether the process may send a request.
    if (entry === undefined || term === undefined || term.remainingMs() <= 0) return;
    const isUnused = () => this.#accounts.get(fingerprint) !== entry;
    const surroundingsToo = this.#surroundingsToo(entry);
    const { suspect } = entry;
    // If texts of the account stop coming during this reading, `suspect` is set again, and the next resync reads the
    // services.
    if (surroundingsToo.surroundingsSinceMs !== undefined) entry.suspect = false;
    try {
      // The call must count against the share of one tenant (ADR 29), here that of the first user. All users of the
      // account share the answer.
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
    // `onResync` is called after each resync, even a failed one: the numbers of the account must be compared again, or
    // must report that Twilio does not answer.
    onResync({ streams: entry.users, promoted: tokenWasPromoted(entry) });
    this.#arm(fingerprint);
  }

  /**
   * Whether the resync also reads Messaging Services, short codes and Conversations addresses. Normally they are read
   * once an hour. They are read sooner, within the limit of the account, if texts stopped coming, if these settings
   * changed lately, or if a number is not Ready because of them (ADR 30).
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

/** Whether the token that works is another one than when this function was last called for the account. */
function tokenWasPromoted(entry: AccountInUse): boolean {
  const { promoted } = entry.account.twilio;
  const isNews = promoted !== entry.promoted;
  entry.promoted = promoted;
  return isNews;
}
