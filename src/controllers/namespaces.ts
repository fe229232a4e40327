import { orAborted } from "../aborted.ts";
import type { KubeClient } from "../kube/client.ts";
import { namespaces } from "../kube/resource.ts";

/**
 * UIDs of namespaces: a route belongs to the namespace's UID, so that a re-created namespace sees nothing of the old one.
 * Asked for once and kept for as long as the namespace has an object of ours; needs no right to list namespaces.
 */
export class NamespaceUids {
  readonly #client: KubeClient;
  readonly #known = new Map<string, Promise<string>>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async uidOf(namespace: string, signal: AbortSignal): Promise<string> {
    let uid = this.#known.get(namespace);
    if (uid === undefined) {
      // Not under the signal of who happens to ask first: others wait for the same answer.
      uid = this.#fetch(namespace);
      this.#known.set(namespace, uid);
      uid.catch(() => this.#known.delete(namespace));
    }
    return await orAborted(uid, signal);
  }

  /** The last object of the namespace is gone: if it comes back it may be another. */
  forget(namespace: string) {
    this.#known.delete(namespace);
  }

  /** All of them may be others: a backup of the cluster was restored. */
  clear() {
    this.#known.clear();
  }

  async #fetch(namespace: string): Promise<string> {
    const found = await this.#client.get(namespaces, { name: namespace });
    if (found?.metadata.uid === undefined) throw new Error(`namespace ${namespace} is not there`);
    return found.metadata.uid;
  }
}
