import type { SmsNumber, WorkStream } from "../api/index.ts";
import { keyOf } from "../kube/resource.ts";
import type { Accounts } from "./accounts/accounts.ts";
import type { NamespaceUids } from "./namespaces.ts";
import type { Watches } from "./watches.ts";
import type { CredentialChecks } from "./workstream/credential-checks.ts";
import type { RoutingChecks } from "./workstream/routing-checks.ts";
import { secretOf } from "./workstream/secret.ts";
import type { SecretReader } from "./workstream/secret-reader.ts";
import type { Streams } from "./workstream/streams.ts";

/** The watches, and the parts of the operator that remember something about an object by its key. */
export interface ForgettingOptions {
  watches: Watches;
  streams: Pick<Streams, "delete">;
  accounts: Pick<Accounts, "stopUsing">;
  credentialChecks: Pick<CredentialChecks, "stopUsing">;
  routing: Pick<RoutingChecks, "forget">;
  secretReader: Pick<SecretReader, "stoppedUsing">;
  namespaces: Pick<NamespaceUids, "forget">;
}

/**
 * Drops what this process remembers of objects once they are deleted. Otherwise its memory would grow as long as the
 * process lives, and a new object of the same name would inherit what was remembered of the old one.
 */
export class Forgetting {
  readonly #options: ForgettingOptions;

  constructor(options: ForgettingOptions) {
    this.#options = options;
    const { watches, secretReader } = options;
    watches.workStreams.onChange(({ type, object, previous }) => {
      const former = type === "deleted" ? object : previous;
      if (former !== undefined && (type === "deleted" || secretOf(former) !== secretOf(object)))
        secretReader.stoppedUsing({ namespace: object.metadata.namespace!, name: secretOf(former) });
    });
  }

  /**
   * Drops what is remembered of a stream if it was deleted during an attempt, because the attempt may have stored
   * something after the deletion. Call this after each attempt on a stream. Returns true if the stream was deleted.
   */
  streamReconciled(object: WorkStream): boolean {
    if (this.#options.watches.workStreams.store.getByKey(keyOf(object)) !== undefined) return false;
    this.streamGone(object);
    return true;
  }

  /** Drops what is remembered of a WorkStream that has been deleted. */
  streamGone({ metadata }: WorkStream) {
    const { accounts, credentialChecks, routing, streams } = this.#options;
    const key = keyOf({ metadata });
    accounts.stopUsing(key);
    credentialChecks.stopUsing(key);
    routing.forget(key);
    streams.delete(key);
    this.#namespaceOf(metadata.namespace!);
  }

  /** Forgets the UID of the namespace of a deleted SmsNumber, unless the namespace has other objects of ours. */
  numberGone({ metadata }: SmsNumber) {
    this.#namespaceOf(metadata.namespace!);
  }

  /**
   * Forgets the namespace's UID when the namespace has no WorkStream or SmsNumber left: a namespace that is created
   * again under the same name has another UID.
   */
  #namespaceOf(namespace: string) {
    const { watches, namespaces } = this.#options;
    const { workStreams, smsNumbers } = watches;
    if (workStreams.store.list(namespace).length === 0 && smsNumbers.store.list(namespace).length === 0)
      namespaces.forget(namespace);
  }
}
