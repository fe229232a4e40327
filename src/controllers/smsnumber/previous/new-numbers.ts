import type { SmsNumber } from "../../../api/index.ts";
import type { Informer } from "../../../kube/informer.ts";
import type { PreviousWebhooks } from "./previous-webhooks.ts";

/**
 * SmsNumbers that no operator has looked at before this process: they came without a status, and nothing can be stored of the
 * webhook from before. It spares a request for each of hundreds of numbers that are wired at once. Listens from now on, so it
 * must be made before the informer starts.
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

  /** This process begins to lead: what another one has looked at meanwhile is new no more. */
  begin(stored: readonly SmsNumber[]) {
    for (const { metadata, status } of stored)
      if (status?.managedBy !== undefined) this.end(metadata.uid ?? "");
  }

  has(uid: string): boolean {
    return this.#uids.has(uid);
  }

  /** It is wired, or something is stored of it: from now on it is one like any other. */
  end(uid: string) {
    this.#uids.delete(uid);
  }
}

/** Stores for an SmsNumber as `previous` does, and remembers that something is stored of it. */
export function notingSaved(previous: PreviousWebhooks, newNumbers: NewNumbers): PreviousWebhooks {
  return {
    ...previous,
    async save(uid, webhook, signal) {
      // Before the write: one whose answer is lost may have stored it.
      newNumbers.end(uid);
      await previous.save(uid, webhook, signal);
    },
  };
}
