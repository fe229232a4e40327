/**
 * Logs in to the Kubernetes API and owns the sockets.
 *
 * KubeConfig of @kubernetes/client-node knows every way to log in: a pod's token file, client certificates, exec plugins, OIDC.
 * Nothing else is used of the official client, which builds a new dispatcher for each request and so makes a TLS connection per
 * request. The dispatchers here live until the TLS settings change (docs/adr/0004).
 *
 * There are two pools of connections. Requests share a pool of a fixed size. Watches have a pool without a limit: each watch
 * holds its connection for minutes, so in one common pool a few watches would leave no connection for anything else.
 *
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
 */

import { delimiter } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher, ProxyAgent, Socks5ProxyAgent } from "undici";
import { orAborted } from "../../aborted.ts";

/**
 * How long credentials are used before they are read again. A pod's token is valid for an hour, and the kubelet replaces the
 * token file after four fifths of that hour, so reading every 10 s is early enough. KubeConfig itself also caches: it reads a
 * token file once a minute, and runs an exec plugin again only when the plugin's credentials have expired.
 * https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
 */
const REREAD_MS = 10_000;
/**
 * The shortest time between two refreshes after a 401. A server that refuses every credential must not make us run an exec
 * plugin, which is a process, for each request.
 */
const REFRESH_AT_MOST_EVERY_MS = 2000;
/** How long an exec plugin may take. A plugin that takes longer is given up, and the next request runs it again. */
const LOGIN_WITHIN_MS = 30_000;
/** The number of requests that can be under way at a time: with HTTP/1.1 a connection carries one request at a time. */
export const CONNECTIONS = 32;

/** What a request needs: the headers with our credentials, and the pools of connections. */
export interface Access {
  readonly headers: Record<string, string>;
  readonly requests: Dispatcher;
  readonly watches: Dispatcher;
}

/** The TLS settings among the request options that KubeConfig fills in. The other options that it fills in become headers. */
interface TlsSettings {
  ca?: Buffer | string;
  cert?: Buffer | string;
  key?: Buffer | string;
  rejectUnauthorized?: boolean;
  servername?: string;
}

/** The credentials and connections of one client. `now` is the time in milliseconds, by any clock that only goes forward. */
export class KubeConnection {
  readonly #load: () => KubeConfig;
  readonly #now: () => number;
  /** The loaded kubeconfig. `refresh` loads it again: the kubeconfig file, or a file that it names, may have been rewritten. */
  #config: KubeConfig;
  #access: (Access & { fingerprint: string; readAt: number }) | undefined;
  /**
   * The login under way. All requests that come meanwhile wait for this one login; otherwise each would run the exec plugin.
   */
  #reading: Promise<Access> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(load: () => KubeConfig, now: () => number) {
    this.#load = load;
    this.#now = now;
    this.#config = load();
  }

  /** The API server's URL without a slash at the end, because paths begin with a slash. */
  get server(): string {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error("the kubeconfig names no cluster: its current context is missing");
    return cluster.server.replace(/\/+$/, "");
  }
  /** The namespace of the kubeconfig's context, or of the pod that this process runs in. */
  get namespace(): string | undefined {
    return this.#config.getContextObject(this.#config.getCurrentContext())?.namespace;
  }

  /** The credentials and pools to use now. An exec plugin may take long, but the caller waits only until `signal` aborts. */
  async access(signal: AbortSignal | undefined): Promise<Access> {
    if (this.#access !== undefined && this.#now() - this.#access.readAt < REREAD_MS) return this.#access;
    this.#reading ??= orAborted(this.#read(), AbortSignal.timeout(LOGIN_WITHIN_MS)).finally(() => {
      this.#reading = undefined;
    });
    return await orAborted(this.#reading, signal);
  }

  /**
   * Makes the next request read all credentials from their source again. Call it after a 401. Returns false when that was done
   * a moment ago: then the server refuses the present credentials, and a second try would not help.
   */
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
    // KubeConfig passes a user name and password on to Node's https module. That module is not used here, so the header is made
    // here.
    if (options.auth !== undefined)
      headers.Authorization = `Basic ${Buffer.from(options.auth).toString("base64")}`;
    const tls = tlsOf(options);
    // The fingerprint covers only what needs new connections. A new token is only a new header, but new certificates need new
    // connections, because TLS is set up once per connection.
    const fingerprint = JSON.stringify([this.server, tls]);
    const before = this.#access;
    if (before?.fingerprint === fingerprint) {
      this.#access = { ...before, headers, readAt: this.#now() };
      return this.#access;
    }
    const requests = this.#dispatcher(tls, CONNECTIONS);
    const watches = this.#dispatcher(tls, null);
    this.#access = { headers, requests, watches, fingerprint, readAt: this.#now() };
    // The old pools are closed. `close` waits for the requests that are under way on them: for a watch, until the server ends
    // it.
    void before?.requests.close();
    void before?.watches.close();
    return this.#access;
  }

  #dispatcher(tls: TlsSettings, connections: number | null): Dispatcher {
    const chosen = this.#config.createDispatcherOptions(this.#config.getCurrentCluster(), tls);
    const shared = {
      connections,
      // A connection carries one request at a time. A second request on a busy connection would wait behind the first request,
      // however many connections are idle.
      pipelining: 1,
      // HTTP/2 is off, because it would put everything on one connection. When that connection is half-open (a NAT forgot it, a
      // load balancer died), all watches and the Lease would hang together. Go clients had this problem
      // (kubernetes/client-go#374).
      allowH2: false,
      keepAliveTimeout: 30_000,
      // The pool sets no time limits, because the client limits a whole request and the informer limits the silence of a watch.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    // TCP keep-alive finds out that the other side is dead when a watch sends nothing for minutes.
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

/** The TLS settings that are set, as text: two readings of the same files must give the same fingerprint. */
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

/**
 * The credentials to use: the given kubeconfig files, else the pod's own account, else what kubectl would use. Several files
 * are separated as in KUBECONFIG and are merged.
 */
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

/**
 * Without any kubeconfig the library tries localhost:8080, where very old API servers listened without TLS. That would only say
 * "connection refused", so this function throws an error that says what to set.
 */
function loadAsKubectl(config: KubeConfig): void {
  config.loadFromDefault();
  if (config.getCurrentCluster()?.server === "http://localhost:8080")
    throw new Error(
      "no Kubernetes cluster is configured: KUBECONFIG is not set, there is no ~/.kube/config, and this program does not run in a pod; set KUBECONFIG to a kubeconfig file",
    );
}
