/**
 * The Kubernetes API: one method per verb, for any kind.
 *
 *     const client = KubeClient.load({ kubeconfig, userAgent, log });
 *     const secret = await client.get(secrets, { namespace, name }, signal);      // undefined: there is none
 *     await client.close();
 *
 * Three things keep it usable when the API server is slow or gone:
 * - Every request but a watch ends within `requestTimeoutMs` of being sent. A leader relies on that: it sends no write with
 *   less than this left of its lease.
 * - Requests share the connections fairly, by namespace and by kind, so that one tenant's objects cannot use up what the
 *   Lease and the other tenants need (docs/adr/0029).
 * - Nothing is retried. Whether a second try is harmless only the caller knows: after a time-out a write may have happened.
 *   The one exception is a 401, by which nothing can have happened.
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
  /** The path of a kubeconfig. Absent: the pod's own account, else what kubectl would use. */
  kubeconfig?: string | undefined;
  userAgent: string;
  log: Log;
  /** How long a request other than a watch may take once it is sent. Default 10 s, well within a lease of 15. */
  requestTimeoutMs?: number;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Objects per page, default 500. `list` reads all pages by itself. */
  limit?: number | undefined;
  /**
   * Asks for metadata only: spec, status and data never leave the server.
   * https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
   */
  metadataOnly?: boolean | undefined;
}

export interface ObjectPage<T> {
  items: T[];
  /** The version of the whole list: a watch that begins there misses nothing. */
  resourceVersion: string;
  /** The token of the next page; undefined on the last one. */
  continue: string | undefined;
}

/** A BOOKMARK only moves the version on. An ERROR ends the watch: its HTTP status was sent long ago. */
export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T }
  | { type: "BOOKMARK"; object: { metadata: ObjectMeta } }
  | { type: "ERROR"; object: StatusBody };

export interface ApplyOptions {
  /** The owner of the applied fields. Applies under one name must be of one program, each with all that it wants. */
  fieldManager: string;
  /** Takes fields away from their owners. Default false: then another owner's field is a 409 Conflict that names it. */
  force?: boolean;
}

type Query = Record<string, string | number | boolean | undefined>;

interface KubeCall {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Says whose turn it is when requests wait for a connection: namespaces take turns, and within one the kinds. */
  flow: Flow;
  path: string;
  query?: Query;
  body?: unknown;
  contentType?: string;
  accept?: string;
  /** The answer's size at most; a larger one is not read to its end. */
  maxBytes?: number | undefined;
  /** Parses the whole answer, however long that takes. */
  whole?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** A request that has waited this long for a connection fails without being sent. The server is evidently not answering, and the caller tries again later. */
const LONGEST_IN_LINE_MS = 60_000;
const DEFAULT_PAGE = 500;
// The API server tells the kinds of patch apart by their content type.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply
const MERGE_PATCH = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";
const APPLY_PATCH = "application/apply-patch+yaml";

/**
 * A client over one set of pooled connections. Every failure is a KubeError; an abort by the caller's signal rejects with
 * that signal's reason. Large objects are read without labels, managedFields and annotations that are not ours (skim.ts),
 * except by `getWhole`.
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
   * This client for the work of a leader: a write with less left of the lease than a request may take throws
   * LeadershipLost and is not sent. Reads are not held back. The connections are shared; the original client closes them.
   */
  whileLeading(leadership: Leadership): KubeClient {
    return new KubeClient(this.#connection, {
      userAgent: this.#userAgent,
      requestTimeoutMs: this.#requestTimeoutMs,
      places: this.#places,
      leadership,
    });
  }

  /** The longest that a request can take once it is sent. A leader sends no write with less than this left of its lease. */
  get requestTimeoutMs(): number {
    return this.#requestTimeoutMs;
  }
  /** The namespace of the kubeconfig's context, or of the pod. */
  get namespace(): string | undefined {
    return this.#connection.namespace;
  }

  /** Undefined when there is no such object. */
  get<T extends KubeObject>(type: ResourceType<T>, ref: Ref, signal?: AbortSignal): Promise<T | undefined> {
    return this.#get({ method: "GET", flow: flowOf(type, ref), path: pathOf(type, ref), signal });
  }

  /** Like `get`, with all managedFields, labels and annotations, also of a large object. */
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

  /** All objects, read by pages of one consistent snapshot, that of the returned resourceVersion. */
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
   * One page; a `limit` of 0 asks for everything at once. A page of more than `maxBytes` is a KubeError with the reason
   * TooLarge. `transform` is called with each item as it is parsed, so that a page's items are
   * never all in memory at full size.
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
    // The API server leaves apiVersion and kind out of the items of a built-in kind's list, and items of metadata only
    // have the kind PartialObjectMetadata.
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
   * Creates the object and returns it as stored. `metadataOnly`: only its metadata is sent back; the rest of a large object
   * would cross the network a second time.
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
   * Replaces the object, unless it has changed since it was read: then it fails with a Conflict. The API server would take
   * an object without a resourceVersion, and overwrite what the caller has not seen; here that throws.
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

  /** Sends a merge patch, or a JSON patch when `patch` is a list. A merge patch replaces lists as a whole. */
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
   * Server-side apply of the fields in `object`: they become this manager's, and fields that it owned and no longer names
   * are removed. Creates the object where there is none.
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

  /** Server-side apply to the status. Unlike `apply` it creates nothing: NotFound when the object is gone. */
  applyStatus<T extends KubeObject>(
    type: ResourceType<T>,
    object: { metadata: ObjectMeta; status: unknown },
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#apply(type, object, "status", options, signal);
  }

  /**
   * Deletes the object; false when there was none. `preconditions` protect a later object of the same name: where they do
   * not hold, it fails with a Conflict. An object with finalizers is only marked, and goes later.
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
   * Yields the changes after `resourceVersion` until the server ends the watch. `onOpen` is called when the server has
   * accepted it, `onBytes` for each piece that arrives. There is no time limit: a quiet collection and a dead connection
   * look the same here, so the caller aborts what is silent for too long.
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
        // Without bookmarks the version of a quiet collection gets old, and the next watch from there is refused.
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

  /** Closes every connection at once; requests under way fail. */
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
      // The content type says YAML, of which JSON is a part. Every server that has server-side apply takes it so.
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
   * The text of a successful answer; any other is thrown.
   *
   * The time-out counts from when the request is sent. If it counted the wait for a connection as well, then with a slow
   * server the requests that had waited longest would be sent with no time left: their answers would come too late, and the
   * server would work for nothing.
   */
  async #read(call: KubeCall): Promise<string> {
    const what = nameOf(call);
    let sent: AbortSignal | undefined;
    const exchange = async () => {
      // Checked here and not earlier: the wait for a connection may have used up the lease.
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

  /** Sends a request and returns the answer with its body unread. An answer that is an error is read and thrown. */
  async #exchange(call: KubeCall, options: { what: string; watching: boolean }) {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#dispatch(call, options);
      if (answer.statusCode < 300) return answer;
      const body = await answer.body.text().catch(() => "");
      // A token can expire, or be replaced, between our reading it and the server's checking it.
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
        // A watch must be accepted in time like any other request. Its silence after that is the informer's to judge.
        ...(watching ? { headersTimeout: this.#requestTimeoutMs } : {}),
      });
    } catch (error) {
      throw errorOfTransport(what, error, { timedOut: false }, call.signal);
    }
  }
}

const nameOf = ({ method, path }: KubeCall) => `${method.toLowerCase()} ${path}`;

/** Reads at most `maxBytes`: users decide how large their objects are, and the memory is ours. */
async function textUpTo(maxBytes: number, body: AsyncIterable<Buffer>, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop closes the connection, so the rest is not even received.
    if (size > maxBytes)
      throw new KubeError(`${what}: the answer has more than ${maxBytes} bytes`, {
        status: 0,
        reason: "TooLarge",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString("utf8");
}

/** Objects without a namespace are the operator's own business, such as CRDs and namespaces: they share one turn. */
const flowOf = ({ plural }: ResourceType, { namespace = "" }: { namespace?: string | undefined }): Flow => ({
  tenant: namespace,
  upstream: plural,
});

/** The answer's form: the object itself, or its metadata as the given kind of meta.k8s.io. */
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
    // Something between us and the API server answered. Its page is not repeated in our error: it may hold anything.
    return undefined;
  }
}

function retryAfter(headers: IncomingHttpHeaders): string | undefined {
  const value = headers["retry-after"];
  return Array.isArray(value) ? value[0] : value;
}
