import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { type KubeClient, KubeError } from "./client.ts";
import type { RuntimeStatus } from "./conditions.ts";
import { Recent } from "./recent.ts";
import { type KubeObject, keyOf, type ObjectMeta, type ResourceType } from "./resource.ts";
import { trim } from "./trim.ts";
import { undeclaredFields, without } from "./undeclared.ts";

export type ObjectStatus = RuntimeStatus & Record<string, unknown>;

export interface StatusWriterOptions<T extends KubeObject> {
  client: KubeClient;
  type: ResourceType<T>;
  clock: Clock;
  log: Log;
  fieldManager: string;
  /** This release's name, as it stands in `status.managedBy`. */
  instance: string;
  /** A release whose objects are taken over, by force and once each. */
  takeOverFrom?: string | undefined;
  /** What of a status is this manager's; default all of it. */
  ownStatus?: ((status: ObjectStatus) => ObjectStatus) | undefined;
}

interface LastWrite {
  metadata: ObjectMeta;
  status: unknown;
}

export type WriteResult = "unchanged" | "written" | "foreign" | "gone";

interface ManagedFields {
  manager: string;
  subresource?: string;
}

/** After this long fields that the CRD did not have are tried again: it may have been upgraded. */
const FORGET_UNDECLARED_MS = 10 * 60_000;

/**
 * The one place where status is written: by server-side apply, only when it differs, and never over another release's.
 * Remembers its last write per object until the store shows it, else two reconciles in quick succession would judge
 * "what was before" by a status that is already history.
 */
export class StatusWriter<T extends KubeObject> {
  readonly #options: StatusWriterOptions<T>;
  readonly #last: Recent<LastWrite>;
  /** What the CRD does not have, by what the API server said; see `undeclaredFields`. */
  #undeclared: { paths: readonly (readonly string[])[]; since: number } = { paths: [], since: 0 };

  constructor(options: StatusWriterOptions<T>) {
    this.#options = options;
    this.#last = new Recent(options.clock);
  }

  /** The status as it is now, to the best of our knowledge, without other managers' fields. */
  previous(object: T): ObjectStatus | undefined {
    return this.#own(this.withStatus(object).status as ObjectStatus | undefined);
  }

  /** The object with our last write in it: a reconciler that reads "what was" must not read older than that. */
  withStatus(object: T): T {
    const last = this.#ahead(object);
    return last === undefined ? object : { ...object, status: last.status };
  }

  /** With the newest version that we know of: a write against an older one would only be refused. */
  withVersion(object: T): T {
    const last = this.#ahead(object);
    return last === undefined ? object : { ...object, metadata: last.metadata };
  }

  /** Does another release look after this object? One that is to be taken over does not count. */
  isForeign(object: T): boolean {
    const { instance, takeOverFrom } = this.#options;
    const managedBy = (object.status as ObjectStatus | undefined)?.managedBy;
    return managedBy !== undefined && managedBy !== instance && managedBy !== takeOverFrom;
  }

  async write(
    object: T,
    wanted: Record<string, unknown>,
    signal: AbortSignal,
    force = this.#mayTakeOver(object),
  ): Promise<WriteResult> {
    const status = without(wanted, this.#known());
    const previous = this.previous(object);
    if (isDeepStrictEqual(comparable(previous), comparable(status))) return "unchanged";
    const { client, type, fieldManager } = this.#options;
    // An apply heeds no uid: what was re-created under the same name meanwhile gets this status, until its own reconcile.
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
      // The object is ours, and a former release has a share in what is to change.
      if (!force && this.#isWithFormer(error)) return await this.write(object, wanted, signal, true);
      if (this.#learned(error)) return await this.write(object, wanted, signal);
      throw error;
    }
  }

  /**
   * Ends the share that former releases have in the conditions: of equal values server-side apply makes both owners, so that a
   * condition which this one no longer has would stay. What else they wrote is theirs until this one says something else: it
   * may have seen less so far.
   */
  async endFormer(object: T, signal: AbortSignal): Promise<void> {
    const { client, type } = this.#options;
    const metadata = refOf(object);
    // Once for each object that is taken over: of a large one managedFields would else be left out.
    const found = await client.get(type, metadata, signal, { whole: true });
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

  /** Field managers of other instances of this controller: of one name up to the slash. */
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

  /** True when the next try leaves out what the server does not know; false when that is not what it complains of. */
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
      "the crd is older than this operator; status goes without these fields until it is upgraded",
    );
    return true;
  }

  /** Our last write, while the store does not show it yet. */
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

/** As after a journey through JSON, and with conditions in one order: the server keeps its own, as they are a map. */
function comparable(status: Record<string, unknown> = {}): unknown {
  const plain = JSON.parse(JSON.stringify(status)) as ObjectStatus;
  return { ...plain, conditions: plain.conditions?.toSorted((a, b) => (a.type < b.type ? -1 : 1)) };
}

function isConflictOver(error: unknown, field: string): boolean {
  if (!(error instanceof KubeError) || error.reason !== "Conflict") return false;
  const causes = error.details?.causes ?? [];
  return causes.some(
    (cause) => cause.reason === "FieldManagerConflict" && cause.field === `.status.${field}`,
  );
}
