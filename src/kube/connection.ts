import { delimiter } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher, ProxyAgent, Socks5ProxyAgent } from "undici";
import { orAborted } from "../aborted.ts";

/**
 * Credentials are read again this often: a mounted token lives for an hour, and is replaced at four fifths of that. (The official
 * client keeps a token file's content for a minute; a plugin it runs again only when what that gave has expired.)
 */
const REREAD_MS = 10_000;
/** A server that refuses every credential must not make us run an exec plugin per request. */
const REFRESH_AT_MOST_EVERY_MS = 2000;
/** An exec plugin that has not answered by then is given up, and run again by the next request. */
const LOGIN_WITHIN_MS = 30_000;
/** HTTP/1.1 carries one request at a time per connection; more than these wait in line. Watches have their own, unlimited. */
export const CONNECTIONS = 32;

export interface Access {
  readonly headers: Record<string, string>;
  readonly requests: Dispatcher;
  readonly watches: Dispatcher;
}

interface TlsSettings {
  ca?: Buffer | string;
  cert?: Buffer | string;
  key?: Buffer | string;
  rejectUnauthorized?: boolean;
  servername?: string;
}

/**
 * Who we are and through which sockets we speak, kept apart from the requests. The official client's KubeConfig knows every
 * way to log in (token files, client certificates, exec plugins, OIDC); but its requests build a new dispatcher each, which
 * is a TLS connection per request, so the dispatchers are ours and live until the TLS settings change.
 */
export class KubeConnection {
  readonly #load: () => KubeConfig;
  readonly #now: () => number;
  #config: KubeConfig;
  #access: (Access & { fingerprint: string; readAt: number }) | undefined;
  #reading: Promise<Access> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(load: () => KubeConfig, now: () => number) {
    this.#load = load;
    this.#now = now;
    this.#config = load();
  }

  /** The API server's URL without a slash at its end. */
  get server(): string {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error("the kubeconfig names no cluster: its current context is missing");
    return cluster.server.replace(/\/+$/, "");
  }
  /** The namespace of the kubeconfig's context, or of the pod. */
  get namespace(): string | undefined {
    return this.#config.getContextObject(this.#config.getCurrentContext())?.namespace;
  }

  /** Reading the credentials may take as long as a plugin likes, but the caller waits only until `signal` aborts. */
  async access(signal: AbortSignal | undefined): Promise<Access> {
    if (this.#access !== undefined && this.#now() - this.#access.readAt < REREAD_MS) return this.#access;
    this.#reading ??= orAborted(this.#read(), AbortSignal.timeout(LOGIN_WITHIN_MS)).finally(() => {
      this.#reading = undefined;
    });
    return await orAborted(this.#reading, signal);
  }

  /** After a 401: everything from its source again. False when that was done a moment ago, so it would not help. */
  refresh(): boolean {
    if (this.#now() - this.#refreshedAt < REFRESH_AT_MOST_EVERY_MS) return false;
    this.#refreshedAt = this.#now();
    this.#config = this.#load();
    if (this.#access !== undefined) this.#access.readAt = Number.NEGATIVE_INFINITY;
    return true;
  }

  async close(): Promise<void> {
    const access = this.#access;
    this.#access = undefined;
    if (access !== undefined) await Promise.all([access.requests.destroy(), access.watches.destroy()]);
  }

  async #read(): Promise<Access> {
    const options: TlsSettings & { headers: Record<string, string>; auth?: string } = { headers: {} };
    await this.#config.applyToHTTPSOptions(options);
    const headers = { ...options.headers };
    if (options.auth !== undefined)
      headers.Authorization = `Basic ${Buffer.from(options.auth).toString("base64")}`;
    const tls = tlsOf(options);
    const fingerprint = JSON.stringify([this.server, tls]);
    const before = this.#access;
    if (before?.fingerprint === fingerprint) {
      this.#access = { ...before, headers, readAt: this.#now() };
      return this.#access;
    }
    const requests = this.#dispatcher(tls, CONNECTIONS);
    const watches = this.#dispatcher(tls, null);
    this.#access = { headers, requests, watches, fingerprint, readAt: this.#now() };
    // What is in flight ends on the old sockets: close() waits for it, a watch until the server ends it.
    void before?.requests.close();
    void before?.watches.close();
    return this.#access;
  }

  #dispatcher(tls: TlsSettings, connections: number | null): Dispatcher {
    const chosen = this.#config.createDispatcherOptions(this.#config.getCurrentCluster(), tls);
    const shared = {
      connections,
      pipelining: 1,
      // One HTTP/2 connection for everything would let one half-open socket hold all watches and the Lease at once.
      allowH2: false,
      keepAliveTimeout: 30_000,
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const connect = { keepAlive: true, keepAliveInitialDelay: 15_000, timeout: 5000 };
    switch (chosen.type) {
      case "proxy":
        return new ProxyAgent({
          ...shared,
          uri: chosen.uri,
          requestTls: chosen.requestTls as never,
          connect,
        });
      case "socks":
        return new Socks5ProxyAgent(chosen.uri, { ...shared, requestTls: chosen.requestTls as never });
      case "agent":
        return new Agent({
          ...shared,
          connect: { ...(chosen.connect as ConnectionOptions), ...connect } as never,
        });
      case "none":
        return new Agent({ ...shared, connect });
    }
  }
}

function tlsOf({ ca, cert, key, rejectUnauthorized, servername }: TlsSettings): TlsSettings {
  return {
    ...(ca === undefined ? {} : { ca: text(ca) }),
    ...(cert === undefined ? {} : { cert: text(cert) }),
    ...(key === undefined ? {} : { key: text(key) }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(servername === undefined ? {} : { servername }),
  };
}

const text = (value: Buffer | string) => (typeof value === "string" ? value : value.toString("utf8"));

/** Given files (several, as in KUBECONFIG, are merged); else the pod's own account; else what kubectl would use. */
export function loadConfig(path: string | undefined): KubeConfig {
  const config = new KubeConfig();
  const [first, ...more] = (path ?? "").split(delimiter).filter((file) => file !== "");
  if (first !== undefined) {
    loadFile(config, first);
    for (const file of more) {
      const next = new KubeConfig();
      loadFile(next, file);
      config.mergeConfig(next, true);
    }
  } else if (process.env.KUBERNETES_SERVICE_HOST !== undefined) config.loadFromCluster();
  else loadAsKubectl(config);
  return config;
}

function loadFile(config: KubeConfig, file: string): void {
  try {
    config.loadFromFile(file);
  } catch (cause) {
    throw new Error(`the kubeconfig ${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Without any kubeconfig the library tries localhost:8080, where nobody has answered for years. */
function loadAsKubectl(config: KubeConfig): void {
  config.loadFromDefault();
  if (config.getCurrentCluster()?.server === "http://localhost:8080")
    throw new Error(
      "there is no Kubernetes to talk to: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod; set KUBECONFIG to a kubeconfig file",
    );
}
