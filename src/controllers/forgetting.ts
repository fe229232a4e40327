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

export interface ForgettingOptions {
  watches: Watches;
  streams: Pick<Streams, "delete">;
  accounts: Pick<Accounts, "stopUsing">;
  credentialChecks: Pick<CredentialChecks, "stopUsing">;
  routing: Pick<RoutingChecks, "forget">;
  secretReader: Pick<SecretReader, "stoppedUsing">;
  namespaces: Pick<NamespaceUids, "forget">;
}

/** What this process remembers of objects goes with them: else it would grow for as long as the process lives. */
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

  /** It may have gone during the attempt on it: what that attempt made known of it must go as well. True if so. */
  streamReconciled(object: WorkStream): boolean {
    if (this.#options.watches.workStreams.store.getByKey(keyOf(object)) !== undefined) return false;
    this.streamGone(object);
    return true;
  }

  streamGone({ metadata }: WorkStream) {
    const { accounts, credentialChecks, routing, streams } = this.#options;
    const key = keyOf({ metadata });
    accounts.stopUsing(key);
    credentialChecks.stopUsing(key);
    routing.forget(key);
    streams.delete(key);
    this.#namespaceOf(metadata.namespace!);
  }

  numberGone({ metadata }: SmsNumber) {
    this.#namespaceOf(metadata.namespace!);
  }

  /** With its last object goes what is known of the namespace: one that comes back by that name is another. */
  #namespaceOf(namespace: string) {
    const { watches, namespaces } = this.#options;
    const { workStreams, smsNumbers } = watches;
    if (workStreams.store.list(namespace).length === 0 && smsNumbers.store.list(namespace).length === 0)
      namespaces.forget(namespace);
  }
}
