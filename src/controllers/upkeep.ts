import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Records } from "./records/records.ts";
import type { Relations } from "./relations.ts";
import { keepUp, type RouteNeeds } from "./routes-upkeep.ts";
import type { Checks } from "./selfcheck/checks.ts";
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
  /** May this process write right now? */
  leading(): boolean;
  /** Resolves when the records are read. */
  loaded(): Promise<void>;
}

/** Once a minute: claims whose objects are gone, and routes that nobody has needed for an hour, leave the records. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #cancel = () => {};
  #stopped = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start() {
    this.#cancel = this.#options.clock.after(UPKEEP_MS, () => void this.#run());
  }

  stop() {
    this.#stopped = true;
    this.#cancel();
  }

  async #run() {
    try {
      await this.#keepUp();
    } catch (error) {
      if (!this.#stopped) this.#options.log.warn({ err: error }, "upkeep of routes failed, will retry");
    }
    if (!this.#stopped) this.start();
  }

  async #keepUp() {
    const { watches, records, relations, checks, clock, leading, loaded } = this.#options;
    if (!leading()) return;
    await Promise.all([loaded(), watches.synced]);
    // What may not be listed would look as if it were gone.
    const { smsNumbers, workStreams } = watches;
    const live = new Set(smsNumbers.store.list().map(({ metadata }) => metadata.uid));
    const writes: Promise<void>[] = [];
    for (const { uid, namespace, phoneNumberSid } of [...records.claims()]) {
      // Its finalizer was removed by hand: whoever did that meant to let go.
      if (smsNumbers.knows(namespace) && !live.has(uid)) writes.push(records.dropClaim(phoneNumberSid));
    }
    const needs: RouteNeeds = {
      hasStream: (route) => !workStreams.knows(route.namespace) || relations.streamUses(route),
      hasClaim: (route) => relations.claimUses(route),
    };
    writes.push(keepUp(records, needs, clock.now(), (key) => checks.forget(key)));
    await Promise.all(writes);
  }
}
