import type { SmsNumber } from "../../../api/index.ts";
import type { Informer } from "../../../kube/watch/informer.ts";
import type { PreviousWebhooks } from "./previous-webhooks.ts";

/**
 * Remembers the SmsNumbers that no operator had processed when this process first saw them: they had no status, so
 * no webhook can be saved for them yet. Knowing this avoids a read of a Secret for each of hundreds of numbers
 * whose webhooks are set at the same time. Create this object before the informer starts, because it would miss
 * SmsNumbers that were reported earlier.
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
   * Forgets the SmsNumbers that another leader has processed since this process first saw them. Call this when this
   * process begins to lead.
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
   * Forgets the SmsNumber, which then no longer counts as new. Call this when its webhook is set, or when something
   * is saved for it.
   */
  end(uid: string) {
    this.#uids.delete(uid);
  }
}

/** Wraps the store `previous`, so that an SmsNumber no longer counts as new once a webhook is saved for it. */
export function notingSaved(previous: PreviousWebhooks, newNumbers: NewNumbers): PreviousWebhooks {
  return {
    ...previous,
    async save(uid, webhook, signal) {
      // The SmsNumber is forgotten before the write, because a write whose answer is lost may have taken effect all
      // the same.
      newNumbers.end(uid);
      await previous.save(uid, webhook, signal);
    },
  };
}
