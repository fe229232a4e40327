import type { SmsNumber } from "../../../api/index.ts";
import type { Informer } from "../../../kube/watch/informer.ts";
import type { PreviousWebhooks } from "./previous-webhooks.ts";

/**
 * Remembers the SmsNumbers that no operator has processed before this process: they appeared without a status, so
 * no webhook can be saved for them yet. Knowing this avoids a read of a Secret for each of hundreds of numbers
 * whose webhooks are set at once. Create it before the informer starts: it listens to the informer from now on.
 */
export class NewNumbers {
  readonly #uids = new Set<string>();

  constructor(informer: Pick<Informer<SmsNumber>, "onChange">) {
    informer.onChange(({ type, object: { metadata, status } }) => {
      const { uid = "" } = metadata;
      if (type === "deleted") this.#uids.delete(uid);
      else if (type === "added" && status?.managedBy === undefined) this.#uids.add(uid);
    });
  }

  /**
   * Call this when this process begins to lead. SmsNumbers that another leader has processed since they appeared
   * here are no longer new.
   */
  begin(stored: readonly SmsNumber[]) {
    for (const { metadata, status } of stored)
      if (status?.managedBy !== undefined) this.end(metadata.uid ?? "");
  }

  /** True when it is certain that no webhook is saved for this SmsNumber. */
  has(uid: string): boolean {
    return this.#uids.has(uid);
  }

  /**
   * Call this when the SmsNumber's webhook is set, or when something is saved for it. It then no longer counts as
   * new.
   */
  end(uid: string) {
    this.#uids.delete(uid);
  }
}

/** Wraps `previous` so that every save also ends the SmsNumber's entry in `newNumbers`. */
export function notingSaved(previous: PreviousWebhooks, newNumbers: NewNumbers): PreviousWebhooks {
  return {
    ...previous,
    async save(uid, webhook, signal) {
      // The entry ends before the write, because a write whose answer is lost may have taken effect all the same.
      newNumbers.end(uid);
      await previous.save(uid, webhook, signal);
    },
  };
}
