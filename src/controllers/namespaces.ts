import { orAborted } from "../aborted.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { namespaces } from "../kube/resource.ts";

/**
 * UIDs of namespaces. A route belongs to the UID of its namespace, so that a namespace that is created again sees
 * nothing of the old namespace of that name. Each UID is requested once and kept as long as the namespace has a
 * WorkStream or SmsNumber. So the operator needs no right to list or watch namespaces.
 */
export class NamespaceUids {
  readonly #client: KubeClient;
  readonly #known = new Map<string, Promise<string>>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** The UID of a namespace. Throws if the namespace does not exist; the next call requests the UID again. */
  async uidOf(namespace: string, signal: AbortSignal): Promise<string> {
    let uid = this.#known.get(namespace);
    if (uid === undefined) {
      // Several callers share this request. It does not get the abort signal of the first caller, because an abort by
      // that caller would end the request for all of them.
      uid = this.#fetch(namespace);
      this.#known.set(namespace, uid);
      uid.catch(() => this.#known.delete(namespace));
    }
    return await orAborted(uid, signal);
  }

  /**
   * Drops the UID of a namespace. Call this when the last WorkStream or SmsNumber of the namespace is deleted: if the
   * namespace is created again, it has another UID.
   */
  forget(namespace: string) {
    this.#known.delete(namespace);
  }

  /** Drops all UIDs. Call this when a backup of the cluster was restored: any namespace may have another UID now. */
  clear() {
    this.#known.clear();
  }

  async #fetch(namespace: string): Promise<string> {
    const found = await this.#client.get(namespaces, { name: namespace });
    if (found?.metadata.uid === undefined) throw new Error(`namespace ${namespace} does not exist`);
    return found.metadata.uid;
  }
}
