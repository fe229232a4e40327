import { orAborted } from "../aborted.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { namespaces } from "../kube/resource.ts";

/**
 * UIDs of namespaces. A route belongs to the namespace's UID, so that a re-created namespace sees nothing of the
 * old one. Each is asked for once and kept as long as the namespace has an object of ours; that needs no right to
 * list or watch namespaces.
 */
export class NamespaceUids {
  readonly #client: KubeClient;
  readonly #known = new Map<string, Promise<string>>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Throws when the namespace is not there; the next caller asks again. */
  async uidOf(namespace: string, signal: AbortSignal): Promise<string> {
    let uid = this.#known.get(namespace);
    if (uid === undefined) {
      // Without the signal of the caller who happens to ask first: others wait for the same answer.
      uid = this.#fetch(namespace);
      this.#known.set(namespace, uid);
      uid.catch(() => this.#known.delete(namespace));
    }
    return await orAborted(uid, signal);
  }

  /** The last object of the namespace is gone. If the namespace comes back it may be another one. */
  forget(namespace: string) {
    this.#known.delete(namespace);
  }

  /** A backup of the cluster was restored: any namespace may be another one now. */
  clear() {
    this.#known.clear();
  }

  async #fetch(namespace: string): Promise<string> {
    const found = await this.#client.get(namespaces, { name: namespace });
    if (found?.metadata.uid === undefined) throw new Error(`namespace ${namespace} is not there`);
    return found.metadata.uid;
  }
}
