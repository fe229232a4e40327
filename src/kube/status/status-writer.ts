/**
 * Writes the status of objects; no other part of the runtime does so.
 *
 * Status is written by server-side apply to the `status` subresource. An apply names the fields that we want and our field
 * manager, and the API server remembers which manager owns which field. The rules used here follow from that:
 * - A field that we owned and no longer name is removed. So each apply names our whole status.
 * - A field that another manager owns with another value is a conflict, which is answered with 409 and the field's name. In
 *   this way two installations that see the same object find out about each other: both apply `managedBy`, and one fails.
 * - With `force` the field gets a new owner instead. That is used only for objects that are taken over.
 * - Where two managers apply the same value, both own the field, and it stays until both have dropped it.
 * - The conditions are a map by `type`, so each condition has its own owners.
 *
 * Nothing is written when nothing differs. An apply that changes nothing would not raise the resourceVersion, but it would cost
 * a request for each object at each resync.
 *
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */

import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { type KubeClient, KubeError } from "../client/client.ts";
import { undeclaredFields, without } from "../client/undeclared.ts";
import { Recent } from "../controller/recent.ts";
import { type KubeObject, keyOf, type ObjectMeta, type ResourceType } from "../resource.ts";
import { trim } from "../watch/trim.ts";
import type { RuntimeStatus } from "./conditions.ts";
import { sameStatus } from "./same-status.ts";

/** A status as this runtime knows it: the runtime's own fields, and the other fields of the kind. */
export type ObjectStatus = RuntimeStatus & Record<string, unknown>;

export interface StatusWriterOptions<T extends KubeObject> {
  client: KubeClient;
  type: ResourceType<T>;
  clock: Clock;
  log: Log;
  /** The field manager, `controller/INSTANCE`. All installations have the same part before the slash, see `endFormer`. */
  fieldManager: string;
  /** This installation's name, as it is written into `status.managedBy`. */
  instance: string;
  /** The name of an installation whose objects are taken over, each of them once and by force. */
  takeOverFrom?: string | undefined;
  /** Returns the part of a status that belongs to this manager. Default: the whole status. */
  ownStatus?: ((status: ObjectStatus) => ObjectStatus) | undefined;
}

interface LastWrite {
  metadata: ObjectMeta;
  status: unknown;
}

/** `foreign`: another installation manages the object, and nothing was written. `gone`: the object does not exist. */
export type WriteResult = "unchanged" | "written" | "foreign" | "gone";

/** An entry of `metadata.managedFields`, which lists the fields of one manager, per subresource. */
interface ManagedFields {
  manager: string;
  subresource?: string;
}

/**
 * After this time, fields that the CRD did not have are written again, because the CRD may have been upgraded. A watch on the
 * CRD would show an upgrade immediately, but needs a right on CRDs, which belong to the cluster and not to a namespace.
 */
const FORGET_UNDECLARED_MS = 10 * 60_000;

/**
 * Writes status, and remembers its last write per object until the store shows that write. Otherwise two reconciles in quick
 * succession would both compare with the status before the first one's write. They would write twice, and carry over the wrong
 * `lastTransitionTime`.
 */
export class StatusWriter<T extends KubeObject> {
  readonly #options: StatusWriterOptions<T>;
  readonly #last: Recent<LastWrite>;
  /** The fields that the CRD does not have, according to the API server; see `undeclaredFields`. */
  #undeclared: { paths: readonly (readonly string[])[]; since: number } = { paths: [], since: 0 };

  constructor(options: StatusWriterOptions<T>) {
    this.#options = options;
    this.#last = new Recent(options.clock);
  }

  /** The newest status that we know of, without the fields of other managers. */
  previous(object: T): ObjectStatus | undefined {
    const last = this.#ahead(object);
    return this.#own((last ?? object).status as ObjectStatus | undefined);
  }

  /** The object with the newest version that we know of. The API server would refuse a write that names an older version. */
  withVersion(object: T): T {
    const last = this.#ahead(object);
    return last === undefined ? object : { ...object, metadata: last.metadata };
  }

  /** Whether another installation manages this object, and is not the one whose objects are to be taken over. */
  isForeign(object: T): boolean {
    const { instance, takeOverFrom } = this.#options;
    const managedBy = (object.status as ObjectStatus | undefined)?.managedBy;
    return managedBy !== undefined && managedBy !== instance && managedBy !== takeOverFrom;
  }

  /**
   * Applies the status, unless the object already has it. When a refusal shows how to succeed, the write is repeated: with
   * force over a former installation's share, or without the fields that the CRD does not have.
   */
  async write(object: T, wanted: Record<string, unknown>, signal: AbortSignal): Promise<WriteResult> {
    return await this.#write(object, wanted, { force: this.#mayTakeOver(object) }, signal);
  }

  async #write(
    object: T,
    wanted: Record<string, unknown>,
    { force }: { force: boolean },
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const status = without(wanted, this.#known());
    const previous = this.previous(object);
    if (sameStatus(previous, status)) return "unchanged";
    const { client, type, fieldManager } = this.#options;
    // An apply cannot name a uid. So an object that was deleted and created again under the same name also gets this status,
    // until its own reconcile, which follows immediately, replaces it.
    const metadata = refOf(object);
    try {
      const written = await client.applyStatus<T>(
        type,
        { metadata, status },
        { fieldManager, force },
        signal,
      );
      const { metadata: newest, status: whole } = trim(written);
      this.#last.set(keyOf(object), { metadata: newest, status: whole });
      return "written";
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return "gone";
      if (isConflictOver(error, "managedBy")) return "foreign";
      // `managedBy` says that the object is ours, but a former installation still owns a share of a field that changes now, so
      // the write is repeated by force.
      if (!force && this.#isWithFormer(error))
        return await this.#write(object, wanted, { force: true }, signal);
      if (this.#learned(error)) return await this.write(object, wanted, signal);
      throw error;
    }
  }

  /**
   * Ends a former installation's share in the conditions of an object that was taken over. A condition that both installations
   * applied is owned by both. When we drop such a condition later (Stalled, say), it would stay for ever, owned by a manager
   * that no longer runs. So we apply in the former manager's name without conditions, which removes its share.
   *
   * The former manager's other fields stay: this process may not know enough yet to write them itself.
   */
  async endFormer(object: T, signal: AbortSignal): Promise<void> {
    const { client, type } = this.#options;
    const metadata = refOf(object);
    // The object is read as a whole, because otherwise managedFields of a large object are skipped. That is one request per
    // object taken over.
    const found = await client.getWhole(type, metadata, signal);
    for (const manager of this.#formerOf(found)) {
      const { conditions, managedBy, observedGeneration, ...status } =
        this.#own(found?.status as ObjectStatus) ?? {};
      const written = await client.applyStatus<T>(
        type,
        { metadata, status },
        { fieldManager: manager },
        signal,
      );
      const { metadata: newest, status: whole } = trim(written);
      this.#last.set(keyOf(object), { metadata: newest, status: whole });
    }
  }

  forget(key: string): void {
    this.#last.delete(key);
  }

  /** The field managers of this controller in other installations: those with the same name up to the slash. */
  #formerOf(object: T | undefined): Set<string> {
    const fields = (object?.metadata as { managedFields?: ManagedFields[] } | undefined)?.managedFields ?? [];
    const managers = fields
      .filter(({ subresource }) => subresource === "status")
      .map(({ manager }) => manager);
    const isFormer = (manager: string) =>
      manager.startsWith(this.#family()) && manager !== this.#options.fieldManager;
    return new Set(managers.filter(isFormer));
  }

  #family(): string {
    return `${this.#options.fieldManager.split("/")[0]!}/`;
  }

  #isWithFormer(error: unknown): boolean {
    if (!(error instanceof KubeError) || error.reason !== "Conflict") return false;
    const causes = error.details?.causes ?? [];
    const isFormer = ({ reason, message }: { reason?: string; message?: string }) =>
      reason === "FieldManagerConflict" && message?.startsWith(`conflict with "${this.#family()}`) === true;
    return causes.length > 0 && causes.every(isFormer);
  }

  #known(): readonly (readonly string[])[] {
    const { paths, since } = this.#undeclared;
    if (this.#options.clock.monotonic() - since < FORGET_UNDECLARED_MS) return paths;
    this.#undeclared = { paths: [], since: 0 };
    return [];
  }

  /** Returns true when the error named undeclared fields that we did not know of. The next try leaves these fields out. */
  #learned(error: unknown): boolean {
    const { clock, log, type } = this.#options;
    const found = undeclaredFields(error);
    const known = new Set(this.#undeclared.paths.map((path) => path.join(".")));
    const news = found?.filter((path) => !known.has(path.join("."))) ?? [];
    if (news.length === 0) return false;
    const since = known.size === 0 ? clock.monotonic() : this.#undeclared.since;
    this.#undeclared = { paths: [...this.#undeclared.paths, ...news], since };
    log.warn(
      { kind: type.kind, fields: news.map((path) => path.join(".")) },
      "the crd is older than this operator; these status fields are left out until the crd is upgraded",
    );
    return true;
  }

  /**
   * Our last write, as long as the store does not show it. Versions are compared for equality only, so a newer version by
   * another writer also looks as if the store were behind. `Recent` ends that after ten seconds.
   */
  #ahead(object: T) {
    const key = keyOf(object);
    const last = this.#last.get(key);
    if (last === undefined) return undefined;
    const { uid, resourceVersion } = object.metadata;
    const shown = last.metadata.uid !== uid || last.metadata.resourceVersion === resourceVersion;
    if (!shown) return last;
    this.#last.delete(key);
    return undefined;
  }

  #mayTakeOver(object: T): boolean {
    const managedBy = (object.status as ObjectStatus | undefined)?.managedBy;
    return managedBy !== undefined && managedBy === this.#options.takeOverFrom;
  }
  #own(status: ObjectStatus | undefined): ObjectStatus | undefined {
    const { ownStatus } = this.#options;
    return status === undefined || ownStatus === undefined ? status : ownStatus(status);
  }
}

const refOf = ({ metadata: { name, namespace } }: KubeObject) =>
  namespace === undefined ? { name } : { name, namespace };

function isConflictOver(error: unknown, field: string): boolean {
  if (!(error instanceof KubeError) || error.reason !== "Conflict") return false;
  const causes = error.details?.causes ?? [];
  return causes.some(
    (cause) => cause.reason === "FieldManagerConflict" && cause.field === `.status.${field}`,
  );
}
