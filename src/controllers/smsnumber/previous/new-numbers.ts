import type { SmsNumber } from "../../../api/index.ts";
import type { Informer } from "../../../kube/watch/informer.ts";
import type { PreviousWebhooks } from "./previous-webhooks.ts";

/**
 * SmsNumbers that no operator has looked at before this process: they came without a status, so no webhook from
 * before can be stored for them. Knowing that spares a read of a Secret for each of hundreds of numbers that are
 * wired at once. Listens from now on, so it must be made before the informer starts.
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
   * This process begins to lead. Numbers that another leader has looked at since they appeared here are new no
   * more.
   */
  begin(stored: readonly SmsNumber[]) {
    for (const { metadata, status } of stored)
      if (status?.managedBy !== undefined) this.end(metadata.uid ?? "");
  }

  /** True: nothing is stored for it, for certain. */
  has(uid: string): boolean {
    return this.#uids.has(uid);
  }

  /** It is wired, or something is stored for it: from now on it is one like any other. */
  end(uid: string) {
    this.#uids.delete(uid);
  }
}

/** `previous`, with every save noted in `newNumbers`. */
export function notingSaved(previous: PreviousWebhooks, newNumbers: NewNumbers): PreviousWebhooks {
  return {
    ...previous,
    async save(uid, webhook, signal) {
      // Before the write: one whose answer is lost may have been stored all the same.
      newNumbers.end(uid);
      await previous.save(uid, webhook, signal);
    },
  };
}
