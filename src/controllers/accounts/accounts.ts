import type { Clock } from "../../clock.ts";
import type { Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { Twilio } from "../../twilio/twilio.ts";
import { AccountView, type LookOptions } from "./account-view.ts";

export interface Resynced {
  /** Keys of the WorkStreams that use the account. */
  streams: ReadonlySet<string>;
  /** The secondary token took over since the last resync. Told once for each promotion. */
  promoted: boolean;
}

export interface AccountsOptions {
  twilio: Twilio;
  clock: Clock;
  log: Log;
  resyncIntervalMs: number;
  /** Called after each resync, also a failed one: the account's numbers are to be compared again. */
  onResync(resynced: Resynced): void;
  /** Is some number of these streams not Ready because of what surrounds numbers? Then each resync reads that, too. */
  waitsForSurroundings(streams: ReadonlySet<string>): boolean;
  /** Between 0 and 1; tests make it constant. */
  random?: () => number;
}

interface Entry {
  account: AccountView;
  /** Keys of the WorkStreams that use it. */
  users: Set<string>;
  /** Was the secondary token the one that worked, when that was told last? */
  promoted: boolean;
  /** Texts that used to come come no more. */
  suspect: boolean;
  cancel: () => void;
}

/**
 * All accounts in use, each resynced on its own jittered timer for as long as some WorkStream uses it. What was seen of them
 * ends with the term: another leader may have changed it since.
 */
export class Accounts {
  readonly #options: AccountsOptions;
  /** By the credentials' fingerprint. */
  readonly #accounts = new Map<string, Entry>();
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

  /** The account for these credentials, used by `user` (a WorkStream's key) until `stopUsing`. */
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

  fingerprintOf(credentials: Credentials): string {
    return this.#options.twilio.account(credentials).fingerprint;
  }

  /** For a call that must not start resyncs: a finalizer's. */
  once(credentials: Credentials): AccountView {
    const twilio = this.#options.twilio.account(credentials);
    return (
      this.#accounts.get(twilio.fingerprint)?.account ??
      new AccountView(twilio, this.#options.clock, this.#ending)
    );
  }

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

  /** Texts that used to come to this user's numbers come no more: the next resync looks at what may take them. */
  suspect(user: string) {
    const entry = this.#accounts.get(this.#accountOf.get(user) ?? "");
    if (entry !== undefined) entry.suspect = true;
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
    const surroundingsToo = this.#surroundingsToo(entry);
    const { suspect } = entry;
    // One that comes during the reading is for the next.
    if (surroundingsToo.surroundingsSinceMs !== undefined) entry.suspect = false;
    try {
      const [user = ""] = entry.users;
      await entry.account.since(clock.monotonic(), {
        lane: "resync",
        tenant: user.split("/")[0]!,
        signal: this.#ending,
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
    onResync({ streams: entry.users, promoted: tokenWasPromoted(entry) });
    this.#arm(fingerprint);
  }

  /** At rest what surrounds the numbers is read once an hour; sooner while it would tell something, within its bound. */
  #surroundingsToo(entry: Entry): Pick<LookOptions, "surroundingsSinceMs"> {
    const { clock, waitsForSurroundings } = this.#options;
    const now = clock.monotonic();
    const { account, suspect, users } = entry;
    const hasReason = suspect || account.isChanging || waitsForSurroundings(users);
    if (!hasReason || now < account.surroundingsFromMs) return {};
    return { surroundingsSinceMs: now };
  }
}

function tokenWasPromoted(entry: Entry): boolean {
  const { promoted } = entry.account.twilio;
  const isNews = promoted !== entry.promoted;
  entry.promoted = promoted;
  return isNews;
}
