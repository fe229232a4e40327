import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Registry } from "@prometheus-io/client";
import { createLog, type Log } from "../log.ts";
import { exposeBuild, exposeReadiness } from "./metrics.ts";
import { listenForStop } from "./signals.ts";

/** What every long-running process gets: a log, metrics, health checks and an orderly end. */
export interface Process {
  readonly log: Log;
  readonly metrics: Registry;
  readonly health: HealthChecks;
  /**
   * Aborts at the first SIGTERM or SIGINT. `main` must then finish its work and return. Another signal a second or more later ends the
   * process immediately.
   */
  readonly stopping: AbortSignal;
}

/** The checks behind `/readyz`. Each check has a name, and returns undefined when all is well, or else a sentence for a person. */
export class HealthChecks {
  readonly #ready = new Map<string, () => string | undefined>();

  /**
   * Adds a check to `/readyz`. A check may depend on another service only if an unready process does less harm than a ready one while
   * that service is down.
   */
  readyWhen(name: string, check: () => string | undefined) {
    this.#ready.set(name, check);
  }
  ready() {
    return report(this.#ready);
  }
  /** Adds the state of each check of `/readyz` to the metrics. */
  expose(metrics: Registry) {
    exposeReadiness(metrics, this.#ready);
  }
}

/** `/healthz` only shows that the process answers. A failing liveness probe causes a restart, which helps only when nothing answers. */
const ALIVE = { ok: true, text: "\n" };

/** Runs all checks of `/readyz`. The text has a line for each check, as `/readyz?verbose` has in Kubernetes. */
function report(checks: Map<string, () => string | undefined>) {
  const lines = [...checks].map(([name, check]) => ({ name, problem: check() }));
  return {
    ok: lines.every(({ problem }) => problem === undefined),
    text: `${lines.map(({ name, problem }) => (problem === undefined ? `[+] ${name} ok` : `[-] ${name}: ${problem}`)).join("\n")}\n`,
  };
}

export interface ProcessOptions {
  name: string;
  logLevel: string;
  metricsPort: number;
}

/** Serves the probes and runs `main`. Resolves when `main` has returned. An error that `main` throws is logged, and the exit code is 1. */
export async function runProcess(
  options: ProcessOptions,
  main: (process: Process) => Promise<void>,
): Promise<void> {
  const log = createLog({ level: options.logLevel, process: options.name });
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  exposeBuild(metrics, options.name);
  const health = new HealthChecks();
  health.expose(metrics);
  // `listenForStop` must be called before the first `await`: until it is called, smschannel.ts ends the process abruptly at a signal.
  const stop = listenForStop({ onStop: (signal) => log.info({ signal }, "stopping") });
  const probes = await serveProbes({ port: options.metricsPort, health, metrics });
  log.info({ port: probes.port, node: process.version }, "started");
  try {
    await main({ log, metrics, health, stopping: stop.signal });
    log.info("stopped");
  } catch (error) {
    log.fatal({ err: error }, "ended by an error");
    process.exitCode = 1;
  } finally {
    await probes.close();
    stop.end();
  }
}

/** Serves `/healthz`, `/readyz` and `/metrics` on one port. */
export async function serveProbes({
  port,
  health,
  metrics,
}: {
  port: number;
  health: HealthChecks;
  metrics: Registry;
}) {
  const server = createServer(async (request, response) => {
    // The query of the URL is ignored, because Prometheus may add a query when it scrapes.
    const path = request.url?.split("?")[0];
    if (path === "/metrics") {
      response.writeHead(200, { "content-type": metrics.contentType }).end(await metrics.metrics());
      return;
    }
    const found = path === "/healthz" ? ALIVE : path === "/readyz" ? health.ready() : undefined;
    if (found === undefined) response.writeHead(404).end();
    else
      response
        .writeHead(found.ok ? 200 : 503, { "content-type": "text/plain; charset=utf-8" })
        .end(found.text);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    // All connections are closed here: Prometheus and the kubelet keep theirs open, and the server would wait until those end.
    close: () => new Promise<void>((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}
