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

/** The parts of the operator that remember something of an object by its key, and the watches. */
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
   * Call this after each attempt on a stream. The stream may have been deleted during the attempt; then what the
   * attempt stored must be dropped as well. Returns true if the stream was deleted.
   */
  streamReconciled(object: WorkStream): boolean {
    if (this.#options.watches.workStreams.store.getByKey(keyOf(object)) !== undefined) return false;
    this.streamGone(object);
    return true;
  }

  /** Call this when a WorkStream has been deleted. */
  streamGone({ metadata }: WorkStream) {
    const { accounts, credentialChecks, routing, streams } = this.#options;
    const key = keyOf({ metadata });
    accounts.stopUsing(key);
    credentialChecks.stopUsing(key);
    routing.forget(key);
    streams.delete(key);
    this.#namespaceOf(metadata.namespace!);
  }

  /** Call this when an SmsNumber has been deleted. */
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
