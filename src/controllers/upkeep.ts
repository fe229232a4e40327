import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Records } from "./records/records.ts";
import type { Relations } from "./relations.ts";
import { keepUp, type RouteNeeds } from "./routes-upkeep.ts";
import type { Checks } from "./selfcheck/checks.ts";
import type { PreviousWebhooks } from "./smsnumber/previous-webhooks.ts";
import type { Watches } from "./watches.ts";

/** How often the records are looked at for what nothing needs any more. */
const UPKEEP_MS = 60_000;

export interface UpkeepOptions {
  clock: Clock;
  log: Log;
  watches: Watches;
  records: Records;
  relations: Relations;
  checks: Checks;
  previous: Pick<PreviousWebhooks, "remove">;
  /** May this process write right now? */
  leading(): boolean;
  /** Resolves when the records are read. */
  loaded(): Promise<void>;
}

/** Once a minute: claims whose objects are gone, and routes that nobody has needed for an hour, leave the records. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #cancel = () => {};
  readonly #stop = new AbortController();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start() {
    this.#cancel = this.#options.clock.after(UPKEEP_MS, () => void this.#run());
  }

  stop() {
    this.#stop.abort(new Error("upkeep stopped"));
    this.#cancel();
  }

  async #run() {
    try {
      await this.#keepUp();
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#options.log.warn({ err: error }, "upkeep of routes failed, will retry");
    }
    if (!this.#stop.signal.aborted) this.start();
  }

  async #keepUp() {
    const { watches, records, relations, checks, clock, leading, loaded } = this.#options;
    if (!leading()) return;
    await Promise.all([loaded(), watches.synced]);
    // What may not be listed would look as if it were gone.
    const { smsNumbers } = watches;
    const live = new Set(smsNumbers.store.list().map(({ metadata }) => metadata.uid));
    const writes: Promise<void>[] = [];
    for (const { uid, namespace, phoneNumberSid } of [...records.claims()]) {
      // Its finalizer was removed by hand: whoever did that meant to let go.
      if (smsNumbers.knows(namespace) && !live.has(uid)) writes.push(this.#dropClaim(uid, phoneNumberSid));
    }
    const needs: RouteNeeds = {
      hasStream: (route) => relations.hasStream(route),
      hasClaim: (route) => relations.claimUses(route),
    };
    writes.push(keepUp(records, needs, clock.now(), (key) => checks.forget(key)));
    await Promise.all(writes);
  }

  /** What is saved can hold a password, and nobody can put it back any more. First, as only the claim tells of it. */
  async #dropClaim(uid: string, phoneNumberSid: string): Promise<void> {
    const { previous, records } = this.#options;
    await previous.remove(uid, this.#stop.signal);
    await records.dropClaim(phoneNumberSid);
  }
}
