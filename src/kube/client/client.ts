/**
 * A client for the Kubernetes API, with one method per verb, for any kind.
 *
 *     const client = KubeClient.load({ kubeconfig, userAgent, log });
 *     const secret = await client.get(secrets, { namespace, name }, signal);      // undefined: there is none
 *     await client.close();
 *
 * Three rules keep the client usable when the API server is slow or gone:
 * - Every request but a watch ends within `requestTimeoutMs` of being sent. A leader relies on that: it sends no write when
 *   less than this time is left of its lease.
 * - Requests share the connections fairly, by namespace and by kind. So one tenant's objects cannot use up the connections that
 *   the Lease and the other tenants need (docs/adr/0029).
 * - No request is retried. After a time-out a write may have happened, and only the caller knows whether a second try is
 *   harmless. The one exception is a 401, after which nothing can have happened.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/
 */

import { request } from "undici";
import type { IncomingHttpHeaders } from "undici/types/header.js";
import type { Flow } from "../../fairness/flow.ts";
import { Places } from "../../fairness/places.ts";
import { ALWAYS, type Leadership, LeadershipLost } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import {
  apiVersionOf,
  type KubeObject,
  type ObjectMeta,
  pathOf,
  type Ref,
  type ResourceType,
} from "../resource.ts";
import { CONNECTIONS, KubeConnection, loadConfig } from "./connection.ts";
import { errorOfStatus, errorOfTransport, KubeError, type StatusBody } from "./errors.ts";
import { parsePage } from "./page.ts";
import { parseSkimmed } from "./skim.ts";
import { linesOf } from "./watch-lines.ts";

export { KubeError } from "./errors.ts";

export interface ClientOptions {
  /** The path of a kubeconfig. Absent: the account of the pod, or outside of a pod what kubectl would use. */
  kubeconfig?: string | undefined;
  userAgent: string;
  log: Log;
  /** How long a request other than a watch may take after it was sent. Default 10 s, well within a lease of 15 s. */
  requestTimeoutMs?: number;
}

export interface ListOptions {
  /** The namespace to list. Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Objects per page, default 500. `list` reads all pages. */
  limit?: number | undefined;
  /**
   * Asks the server for metadata only. The spec, status and data of the objects then never leave the server.
   * https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
   */
  metadataOnly?: boolean | undefined;
}

export interface ObjectPage<T> {
  items: T[];
  /** The version of the whole list. A watch that begins at this version misses no change. */
  resourceVersion: string;
  /** The token of the next page; undefined on the last page. */
  continue: string | undefined;
}

/**
 * One event of a watch: a change of an object, or a message about the watch itself. A BOOKMARK contains nothing but a newer
 * resourceVersion. An ERROR ends the watch; it comes as an event because the HTTP status was sent when the watch began.
 */
export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T }
  | { type: "BOOKMARK"; object: { metadata: ObjectMeta } }
  | { type: "ERROR"; object: StatusBody };

export interface ApplyOptions {
  /**
   * The name of the program that owns the applied fields. Only one program may apply under one name, and each apply must name
   * all fields that it wants to keep.
   */
  fieldManager: string;
  /**
   * Takes fields away from their present owners. Default false: then a field of another owner is a 409 Conflict that names the
   * owner.
   */
  force?: boolean;
}

type Query = Record<string, string | number | boolean | undefined>;

interface KubeCall {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /**
   * Says whose turn it is when requests wait for a connection: namespaces take turns, and so do the kinds within a namespace.
   */
  flow: Flow;
  path: string;
  query?: Query;
  body?: unknown;
  contentType?: string;
  accept?: string;
  /** The largest answer that is read to its end, in bytes; a larger answer is an error. */
  maxBytes?: number | undefined;
  /**
   * Parses the whole answer, however long that takes. By default, the parts of a large object that no controller reads are cut
   * out first.
   */
  whole?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * How long a request may wait for a connection. A request that waits longer fails without being sent: the server is evidently
 * not answering, and the caller tries again later.
 */
const LONGEST_IN_LINE_MS = 60_000;
const DEFAULT_PAGE = 500;
// The API server distinguishes the kinds of patch by their content type.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
const MERGE_PATCH = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";
const APPLY_PATCH = "application/apply-patch+yaml";

/**
 * A client over one set of pooled connections. Every failure is a KubeError, but an abort by the caller's signal rejects with
 * that signal's reason. Large objects are read without labels, managedFields and foreign annotations (see skim.ts), except by
 * `getWhole`.
 */
export class KubeClient {
  readonly #connection: KubeConnection;
  readonly #userAgent: string;
  readonly #requestTimeoutMs: number;
  readonly #places: Places;
  readonly #leadership: Leadership;

  static load(options: ClientOptions): KubeClient {
    const connection = new KubeConnection(
      () => loadConfig(options.kubeconfig),
      () => performance.now(),
    );
    options.log.debug({ server: connection.server }, "kubernetes api configured");
    return new KubeClient(connection, options);
  }

  constructor(
    connection: KubeConnection,
    {
      userAgent,
      requestTimeoutMs = 10_000,
      places = new Places(CONNECTIONS, { longestWaitMs: LONGEST_IN_LINE_MS }),
      leadership = ALWAYS,
    }: Omit<ClientOptions, "kubeconfig" | "log"> & { places?: Places; leadership?: Leadership },
  ) {
    this.#connection = connection;
    this.#userAgent = userAgent;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#places = places;
    this.#leadership = leadership;
  }

  /**
   * A copy of this client for the work of a leader. A write throws LeadershipLost and is not sent when less time is left of the
   * lease than a request may take. Reads are always allowed. The copy shares the connections, which the original client closes.
   */
  whileLeading(leadership: Leadership): KubeClient {
    return new KubeClient(this.#connection, {
      userAgent: this.#userAgent,
      requestTimeoutMs: this.#requestTimeoutMs,
      places: this.#places,
      leadership,
    });
  }

  /**
   * The longest time that a request can take after it was sent. A leader sends no write when less than this is left of its
   * lease.
   */
  get requestTimeoutMs(): number {
    return this.#requestTimeoutMs;
  }
  /** The namespace of the kubeconfig's context, or of the pod that this process runs in. */
  get namespace(): string | undefined {
    return this.#connection.namespace;
  }

  /** Reads one object; undefined when there is no such object. */
  get<T extends KubeObject>(type: ResourceType<T>, ref: Ref, signal?: AbortSignal): Promise<T | undefined> {
    return this.#get({ method: "GET", flow: flowOf(type, ref), path: pathOf(type, ref), signal });
  }

  /** Like `get`, but even a large object comes with all its managedFields, labels and annotations. */
  getWhole<T extends KubeObject>(
    type: ResourceType<T>,
    ref: Ref,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    return this.#get({
      method: "GET",
      flow: flowOf(type, ref),
      path: pathOf(type, ref),
      whole: true,
      signal,
    });
  }

  /**
   * Reads all objects of the collection page by page. All pages show the collection as it was at the returned resourceVersion.
   */
  async list<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions = {},
    signal?: AbortSignal,
  ): Promise<{ items: T[]; resourceVersion: string }> {
    const items: T[] = [];
    let page = await this.listPage(type, options, signal);
    for (;;) {
      items.push(...page.items);
      if (page.continue === undefined) return { items, resourceVersion: page.resourceVersion };
      page = await this.listPage(type, { ...options, continue: page.continue }, signal);
    }
  }

  /**
   * One page of a list. A `limit` of 0 asks for everything in one page. Throws a KubeError with the reason TooLarge when the
   * page has more than `maxBytes`. `transform` is called with each item as soon as it is parsed, so that the items of a page
   * are never all in memory at full size.
   * https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
   */
  async listPage<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions & {
      continue?: string | undefined;
      maxBytes?: number | undefined;
      transform?: (item: T) => T;
    },
    signal?: AbortSignal,
  ): Promise<ObjectPage<T>> {
    const limit = options.limit ?? DEFAULT_PAGE;
    const call: KubeCall = {
      method: "GET",
      flow: flowOf(type, options),
      path: pathOf(type, { namespace: options.namespace }),
      query: {
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        limit: limit === 0 ? undefined : limit,
        continue: options.continue,
      },
      accept: accept(options.metadataOnly, "PartialObjectMetadataList"),
      maxBytes: options.maxBytes,
      signal,
    };
    const { transform = (item: T) => item } = options;
    // apiVersion and kind are set here, because the API server leaves them out of the items of a built-in kind's list, and
    // gives the items of a list of metadata the kind PartialObjectMetadata.
    const { list, items } = await parsePage(await this.#read(call), (item) =>
      transform({ ...(item as T), apiVersion: apiVersionOf(type), kind: type.kind }),
    );
    return {
      items,
      resourceVersion: list.metadata.resourceVersion,
      continue: list.metadata.continue || undefined,
    };
  }

  /**
   * Creates the object and returns it as stored. With `metadataOnly` only the metadata is sent back, because the rest of a
   * large object would cross the network a second time.
   */
  create<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    { metadataOnly }: { metadataOnly?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<T> {
    const path = pathOf(type, { namespace: object.metadata.namespace });
    const answer = accept(metadataOnly, "PartialObjectMetadata");
    const flow = flowOf(type, object.metadata);
    return this.#send({ method: "POST", flow, path, body: object, accept: answer, signal });
  }

  /**
   * Replaces the object. Fails with a Conflict when the object has changed since it was read. An object without a
   * resourceVersion throws, because the API server would accept it and overwrite changes that the caller has not seen.
   */
  async replace<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    { metadataOnly }: { metadataOnly?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<T> {
    if (object.metadata.resourceVersion === undefined)
      throw new Error(`replacing ${type.kind} ${object.metadata.name} needs its resourceVersion`);
    const answer = accept(metadataOnly, "PartialObjectMetadata");
    return this.#send({
      method: "PUT",
      flow: flowOf(type, object.metadata),
      path: pathOf(type, object.metadata),
      body: object,
      accept: answer,
      signal,
    });
  }

  /**
   * Changes an object with a merge patch, or with a JSON patch when `patch` is a list. A merge patch replaces lists as a whole.
   */
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    ref: Ref,
    patch: object,
    options: { subresource?: string; fieldManager?: string; metadataOnly?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#send({
      method: "PATCH",
      flow: flowOf(type, ref),
      path: pathOf(type, ref, options.subresource),
      query: { fieldManager: options.fieldManager },
      body: patch,
      contentType: Array.isArray(patch) ? JSON_PATCH : MERGE_PATCH,
      accept: accept(options.metadataOnly, "PartialObjectMetadata"),
      signal,
    });
  }

  /**
   * Applies the fields in `object` by server-side apply. The field manager then owns them. Fields that it owned before and that
   * `object` no longer has are removed. Creates the object when it does not exist.
   * https://kubernetes.io/docs/reference/using-api/server-side-apply/
   */
  apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#apply(type, object, undefined, options, signal);
  }

  /**
   * Applies the status by server-side apply. Unlike `apply` it never creates the object, but fails with NotFound when the
   * object is gone.
   */
  applyStatus<T extends KubeObject>(
    type: ResourceType<T>,
    object: { metadata: ObjectMeta; status: unknown },
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#apply(type, object, "status", options, signal);
  }

  /**
   * Deletes the object. Returns false when there was no such object. `preconditions` protect a later object of the same name:
   * when they do not hold, the call fails with a Conflict. An object with finalizers is only marked as deleted, and is removed
   * later.
   */
  async delete(
    type: ResourceType,
    ref: Ref,
    preconditions: { uid?: string; resourceVersion?: string } = {},
    signal?: AbortSignal,
  ): Promise<boolean> {
    const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions };
    try {
      const flow = flowOf(type, ref);
      await this.#send({ method: "DELETE", flow, path: pathOf(type, ref), body, signal });
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false;
      throw error;
    }
  }

  /**
   * Yields the changes after `resourceVersion` until the server ends the watch. `onOpen` is called when the server has accepted
   * the watch, and `onBytes` for each piece of data that arrives. There is no time limit, because a quiet collection and a dead
   * connection look the same here: the caller must abort a watch that is silent for too long.
   */
  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions & {
      resourceVersion: string;
      timeoutSeconds: number;
      onOpen?(): void;
      onBytes?(): void;
    },
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const call: KubeCall = {
      method: "GET",
      flow: flowOf(type, options),
      path: pathOf(type, { namespace: options.namespace }),
      query: {
        watch: true,
        // Bookmarks are asked for, because without them the version of a quiet collection gets too old, and the server refuses
        // the next watch from that version.
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: options.timeoutSeconds,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
      },
      accept: accept(options.metadataOnly, "PartialObjectMetadata"),
      signal,
    };
    const what = `watch ${type.plural}`;
    const { body } = await this.#exchange(call, { what, watching: true });
    options.onOpen?.();
    try {
      for await (const line of linesOf(body, options.onBytes)) {
        const event = parseSkimmed(line) as WatchEvent<T>;
        if (event.type !== "ERROR" && event.type !== "BOOKMARK")
          event.object = { ...event.object, apiVersion: apiVersionOf(type), kind: type.kind };
        yield event;
      }
    } catch (error) {
      throw errorOfTransport(what, error, { timedOut: false }, signal);
    }
  }

  /** Closes every connection immediately; requests under way fail. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  #apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: { metadata: ObjectMeta },
    subresource: string | undefined,
    { fieldManager, force }: ApplyOptions,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return this.#send({
      method: "PATCH",
      flow: flowOf(type, object.metadata),
      path: pathOf(type, object.metadata, subresource),
      query: { fieldManager, force: force === true ? true : undefined },
      // The content type says YAML, and the body is JSON. But JSON is valid YAML, and every server that has server-side apply
      // accepts JSON under this content type.
      body: { ...object, apiVersion: apiVersionOf(type), kind: type.kind },
      contentType: APPLY_PATCH,
      signal,
    });
  }

  async #get<T extends KubeObject>(call: KubeCall): Promise<T | undefined> {
    try {
      return await this.#send<T>(call);
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #send<R>(call: KubeCall): Promise<R> {
    const text = await this.#read(call);
    try {
      return (call.whole === true ? JSON.parse(text) : parseSkimmed(text)) as R;
    } catch (error) {
      throw errorOfTransport(nameOf(call), error, { timedOut: false }, call.signal);
    }
  }

  /**
   * The text of a successful answer; any other answer is thrown as an error.
   *
   * The time-out counts from when the request is sent, without the wait for a connection. Otherwise, with a slow server, the
   * requests that had waited longest would be sent with no time left. Their answers would come too late, and the server would
   * work for nothing.
   */
  async #read(call: KubeCall): Promise<string> {
    const what = nameOf(call);
    let sent: AbortSignal | undefined;
    const exchange = async () => {
      // The lease is checked immediately before the request is sent, because the wait for a connection may have used up the
      // lease.
      if (call.method !== "GET") this.#leadership.assertTime(this.#requestTimeoutMs);
      sent = AbortSignal.timeout(this.#requestTimeoutMs);
      const signal = call.signal === undefined ? sent : AbortSignal.any([call.signal, sent]);
      const { body } = await this.#exchange({ ...call, signal }, { what, watching: false });
      return call.maxBytes === undefined ? await body.text() : await textUpTo(call.maxBytes, body, what);
    };
    try {
      return await this.#places.with(call.flow, exchange, call.signal);
    } catch (error) {
      if (error instanceof LeadershipLost) throw error;
      throw errorOfTransport(
        what,
        error,
        { timedOut: sent?.aborted ?? (error as Error).name === "TimeoutError" },
        call.signal,
      );
    }
  }

  /** Sends a request and returns the answer with its body unread. An error answer is read and thrown. */
  async #exchange(call: KubeCall, options: { what: string; watching: boolean }) {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#dispatch(call, options);
      if (answer.statusCode < 300) return answer;
      const body = await answer.body.text().catch(() => "");
      // After a first 401 the request is sent once more with fresh credentials: a token can expire or be replaced after we have
      // read it and before the server checks it.
      if (answer.statusCode === 401 && attempt === 1 && this.#connection.refresh()) continue;
      throw errorOfStatus(options.what, answer.statusCode, parseStatus(body), retryAfter(answer.headers));
    }
  }

  async #dispatch(call: KubeCall, { what, watching }: { what: string; watching: boolean }) {
    try {
      call.signal?.throwIfAborted();
      const access = await this.#connection.access(call.signal);
      return await request(`${this.#connection.server}${call.path}${queryText(call.query)}`, {
        method: call.method,
        dispatcher: watching ? access.watches : access.requests,
        headers: {
          ...access.headers,
          accept: call.accept ?? "application/json",
          "user-agent": this.#userAgent,
          ...(call.body === undefined ? {} : { "content-type": call.contentType ?? "application/json" }),
        },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        signal: call.signal ?? null,
        // A watch must be accepted in time like any other request. The informer decides when an accepted watch was silent for
        // too long.
        ...(watching ? { headersTimeout: this.#requestTimeoutMs } : {}),
      });
    } catch (error) {
      throw errorOfTransport(what, error, { timedOut: false }, call.signal);
    }
  }
}

const nameOf = ({ method, path }: KubeCall) => `${method.toLowerCase()} ${path}`;

/** Reads at most `maxBytes` of a body: users decide how large their objects are, and a large object would fill our memory. */
async function textUpTo(maxBytes: number, body: AsyncIterable<Buffer>, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // The error leaves the loop, which closes the connection, so the rest of the answer is not even received.
    if (size > maxBytes)
      throw new KubeError(`${what}: the answer has more than ${maxBytes} bytes`, {
        status: 0,
        reason: "TooLarge",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString("utf8");
}

/**
 * The flow of a request. Requests for objects without a namespace, such as CRDs and namespaces, are the operator's own and
 * count as those of one tenant.
 */
const flowOf = ({ plural }: ResourceType, { namespace = "" }: { namespace?: string | undefined }): Flow => ({
  tenant: namespace,
  upstream: plural,
});

/** The value of the Accept header. It asks for the object itself, or only for its metadata as the given kind of meta.k8s.io. */
function accept(metadataOnly: boolean | undefined, kind: string): string {
  return metadataOnly === true ? `application/json;as=${kind};g=meta.k8s.io;v=v1` : "application/json";
}

function queryText(query: Query = {}): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
  return given.size === 0 ? "" : `?${given}`;
}

function parseStatus(text: string): StatusBody | undefined {
  try {
    const body = JSON.parse(text) as StatusBody;
    return body.kind === "Status" ? body : undefined;
  } catch {
    // The answer is not JSON, so something between us and the API server sent it. Our error does not repeat its text, which may
    // contain anything.
    return undefined;
  }
}

function retryAfter(headers: IncomingHttpHeaders): string | undefined {
  const value = headers["retry-after"];
  return Array.isArray(value) ? value[0] : value;
}
