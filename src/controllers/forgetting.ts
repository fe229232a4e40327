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

/** Everything that remembers something of an object by its key. */
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
 * Drops what this process remembers of objects once they are gone. Otherwise its memory would grow as long as the
 * process lives, and a new object of an old name would inherit it.
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
   * The stream may have been deleted during an attempt on it. Then what that attempt found out must go as well.
   * True if so.
   */
  streamReconciled(object: WorkStream): boolean {
    if (this.#options.watches.workStreams.store.getByKey(keyOf(object)) !== undefined) return false;
    this.streamGone(object);
    return true;
  }

  /** The WorkStream is gone. */
  streamGone({ metadata }: WorkStream) {
    const { accounts, credentialChecks, routing, streams } = this.#options;
    const key = keyOf({ metadata });
    accounts.stopUsing(key);
    credentialChecks.stopUsing(key);
    routing.forget(key);
    streams.delete(key);
    this.#namespaceOf(metadata.namespace!);
  }

  /** The SmsNumber is gone. */
  numberGone({ metadata }: SmsNumber) {
    this.#namespaceOf(metadata.namespace!);
  }

  /**
   * The namespace's UID goes with its last object of ours: a namespace that comes back under that name has another.
   */
  #namespaceOf(namespace: string) {
    const { watches, namespaces } = this.#options;
    const { workStreams, smsNumbers } = watches;
    if (workStreams.store.list(namespace).length === 0 && smsNumbers.store.list(namespace).length === 0)
      namespaces.forget(namespace);
  }
}
