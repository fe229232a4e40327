import { request } from "undici";
import type { IncomingHttpHeaders } from "undici/types/header.js";
import type { Flow } from "../fairness/flow.ts";
import { Places } from "../fairness/places.ts";
import { ALWAYS, type Leadership, LeadershipLost } from "../leadership.ts";
import type { Log } from "../log.ts";
import { CONNECTIONS, KubeConnection, loadConfig } from "./connection.ts";
import { errorOfStatus, errorOfTransport, KubeError, type StatusBody } from "./errors.ts";
import { parsePage } from "./page.ts";
import {
  apiVersionOf,
  type KubeObject,
  type ObjectMeta,
  pathOf,
  type Ref,
  type ResourceType,
} from "./resource.ts";
import { parseSkimmed } from "./skim.ts";
import { linesOf } from "./watch-lines.ts";

export { KubeError } from "./errors.ts";

export interface ClientOptions {
  /** Path of a kubeconfig. Absent: the pod's own account, else what kubectl would use. */
  kubeconfig?: string | undefined;
  userAgent: string;
  log: Log;
  /** How long a request may take once it is sent, watches aside. Default 10 s, well within a lease of 15. */
  requestTimeoutMs?: number;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Objects per page, default 500. `list` pages by itself. */
  limit?: number | undefined;
  /** Ask for metadata only: spec, status and data never leave the server. */
  metadataOnly?: boolean | undefined;
}

export interface ListPage<T> {
  items: T[];
  resourceVersion: string;
  continue: string | undefined;
}

export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T }
  | { type: "BOOKMARK"; object: { metadata: ObjectMeta } }
  | { type: "ERROR"; object: StatusBody };

export interface ApplyOptions {
  fieldManager: string;
  /** Take fields from whoever has them. Default false: a 409 Conflict says who does. */
  force?: boolean;
}

type Query = Record<string, string | number | boolean | undefined>;

interface ApiCall {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Whose turn it is when many wait for a connection: namespaces take turns, and within one the kinds. */
  flow: Flow;
  path: string;
  query?: Query;
  body?: unknown;
  contentType?: string;
  accept?: string;
  /** Of the answer. */
  maxBytes?: number | undefined;
  /** Nothing of the answer is left out, whatever parsing it takes. */
  whole?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** A request that could not be sent for so long fails, and its caller tries again later: the server does not answer at all. */
const LONGEST_IN_LINE_MS = 60_000;
const DEFAULT_PAGE = 500;
const MERGE_PATCH = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";
const APPLY_PATCH = "application/apply-patch+yaml";

/**
 * The Kubernetes API over one set of pooled connections. What is large is read without labels, managedFields and others'
 * annotations (skim.ts), unless a call asks for the whole. Every failure is a KubeError; an abort by the caller's signal rejects
 * with that signal's reason. Nothing is retried here but one 401 after reading the credentials again: whoever calls knows
 * whether a second try is harmless.
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
      places = new Places(CONNECTIONS),
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
   * This client for the work of a leader: no write begins, or it throws LeadershipLost, with less left of the lease than a request may
   * take. Reads are not held back. It shares the connections, which stay its origin's to close.
   */
  whileLeading(leadership: Leadership): KubeClient {
    return new KubeClient(this.#connection, {
      userAgent: this.#userAgent,
      requestTimeoutMs: this.#requestTimeoutMs,
      places: this.#places,
      leadership,
    });
  }

  /** The longest that one call can take: with less lease left than this, a leader begins none. */
  get requestTimeoutMs(): number {
    return this.#requestTimeoutMs;
  }
  /** The namespace of the kubeconfig's context, or of the pod. */
  get namespace(): string | undefined {
    return this.#connection.namespace;
  }

  /** Undefined when there is no such object. `whole`: a large one with its managedFields, labels and annotations as well. */
  async get<T extends KubeObject>(
    type: ResourceType<T>,
    ref: Ref,
    signal?: AbortSignal,
    { whole }: { whole?: boolean } = {},
  ): Promise<T | undefined> {
    const call: ApiCall = { method: "GET", flow: flowOf(type, ref), path: pathOf(type, ref), whole, signal };
    try {
      return await this.#send<T>(call);
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** All objects, by pages of one consistent snapshot. */
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
   * One page; a `limit` of 0 asks for everything at once. A page of more than `maxBytes` is a KubeError with the reason TooLarge.
   * `transform` is called with each item as it is read, in turns with everything else.
   */
  async listPage<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions & {
      continue?: string | undefined;
      maxBytes?: number | undefined;
      transform?: (item: T) => T;
    },
    signal?: AbortSignal,
  ): Promise<ListPage<T>> {
    const limit = options.limit ?? DEFAULT_PAGE;
    const call: ApiCall = {
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
    // Items of a list of built-in kinds come without their kind, and partial ones with another.
    const { list, items } = await parsePage(await this.#read(call), (item) =>
      transform({ ...(item as T), apiVersion: apiVersionOf(type), kind: type.kind }),
    );
    return {
      items,
      resourceVersion: list.metadata.resourceVersion,
      continue: list.metadata.continue || undefined,
    };
  }

  /** `metadataOnly`: of what was written nothing else is sent back, which of a large object is as much again. */
  create<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal?: AbortSignal,
    { metadataOnly }: { metadataOnly?: boolean } = {},
  ): Promise<T> {
    const path = pathOf(type, { namespace: object.metadata.namespace });
    const answer = accept(metadataOnly, "PartialObjectMetadata");
    const flow = flowOf(type, object.metadata);
    return this.#send({ method: "POST", flow, path, body: object, accept: answer, signal });
  }

  /** Replaces the object as it was read: without a resourceVersion it throws, as it would overwrite what it has not seen. */
  async replace<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal?: AbortSignal,
    { metadataOnly }: { metadataOnly?: boolean } = {},
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

  /** A merge patch, or a JSON patch when `patch` is a list. */
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

  /** Server-side apply of the fields in `object`, which become this manager's; those it had and no longer names are removed. */
  apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#apply(type, object, undefined, options, signal);
  }

  /** Server-side apply to the status subresource; fails with NotFound where the object is gone. */
  applyStatus<T extends KubeObject>(
    type: ResourceType<T>,
    object: { metadata: ObjectMeta; status: unknown },
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#apply(type, object, "status", options, signal);
  }

  /** True when it was there. Preconditions that do not hold: KubeError Conflict. */
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
   * Events from `resourceVersion` on until the server ends the watch. `onOpen` is called when the server has accepted it,
   * `onBytes` for each piece that arrives: what is silent for too long is the caller's to abort.
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
    const call: ApiCall = {
      method: "GET",
      flow: flowOf(type, options),
      path: pathOf(type, { namespace: options.namespace }),
      query: {
        watch: true,
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
      throw errorOfTransport(what, error, signal, false);
    }
  }

  /** Ends every connection at once; requests in flight fail. */
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
      // JSON is YAML, and every server since 1.22 takes it under this name.
      body: { ...object, apiVersion: apiVersionOf(type), kind: type.kind },
      contentType: APPLY_PATCH,
      signal,
    });
  }

  async #send<R>(call: ApiCall): Promise<R> {
    const text = await this.#read(call);
    try {
      return (call.whole === true ? JSON.parse(text) : parseSkimmed(text)) as R;
    } catch (error) {
      throw errorOfTransport(nameOf(call), error, call.signal, false);
    }
  }

  /**
   * The whole answer, unless that is an error, which is thrown. Its time counts from when it is sent. If it counted from when it was
   * put in line, then whenever the server is slower than we ask, those who have waited longest would be sent with no time left: their
   * answers would come too late, and the server would work for nothing.
   */
  async #read(call: ApiCall): Promise<string> {
    const what = nameOf(call);
    const inLine = AbortSignal.timeout(LONGEST_IN_LINE_MS);
    let sent: AbortSignal | undefined;
    const exchange = async () => {
      if (call.method !== "GET") this.#leadership.assertTime(this.#requestTimeoutMs);
      sent = AbortSignal.timeout(this.#requestTimeoutMs);
      const signal = either(call.signal, sent);
      const { body } = await this.#exchange({ ...call, signal }, { what, watching: false });
      return call.maxBytes === undefined ? await body.text() : await textUpTo(call.maxBytes, body, what);
    };
    try {
      return await this.#places.with(call.flow, exchange, either(call.signal, inLine));
    } catch (error) {
      if (error instanceof LeadershipLost) throw error;
      throw errorOfTransport(what, error, call.signal, (sent ?? inLine).aborted);
    }
  }

  /** One request; the body is the caller's to read, unless the answer is an error, which is thrown. */
  async #exchange(call: ApiCall, options: { what: string; watching: boolean }) {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#dispatch(call, options);
      if (answer.statusCode < 300) return answer;
      const body = await answer.body.text().catch(() => "");
      // A token can be replaced between our reading it and the server's looking at it.
      if (answer.statusCode === 401 && attempt === 1 && this.#connection.refresh()) continue;
      throw errorOfStatus(options.what, answer.statusCode, parseStatus(body), retryAfter(answer.headers));
    }
  }

  async #dispatch(call: ApiCall, { what, watching }: { what: string; watching: boolean }) {
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
        // A watch is accepted at once or not at all; how long it may then be silent is the reflector's business.
        ...(watching ? { headersTimeout: this.#requestTimeoutMs } : {}),
      });
    } catch (error) {
      throw errorOfTransport(what, error, call.signal, false);
    }
  }
}

const either = (given: AbortSignal | undefined, own: AbortSignal) =>
  given === undefined ? own : AbortSignal.any([given, own]);

const nameOf = ({ method, path }: ApiCall) => `${method.toLowerCase()} ${path}`;

async function textUpTo(maxBytes: number, body: AsyncIterable<Buffer>, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop closes the connection: the rest is not even received.
    if (size > maxBytes)
      throw new KubeError(`${what}: the answer has more than ${maxBytes} bytes`, {
        status: 0,
        reason: "TooLarge",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString("utf8");
}

const flowOf = ({ plural }: ResourceType, { namespace = "" }: { namespace?: string | undefined }): Flow => ({
  tenant: namespace,
  upstream: plural,
});

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
    // Something between us and the API server answered in its own words, which are nobody's business.
    return undefined;
  }
}

function retryAfter(headers: IncomingHttpHeaders): string | undefined {
  const value = headers["retry-after"];
  return Array.isArray(value) ? value[0] : value;
}
