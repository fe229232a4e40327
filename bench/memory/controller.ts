import { readFileSync } from "node:fs";
import { end, type StartedChild, startNode } from "../children.ts";

export interface ControllerProcess {
  readonly rssMiB: number;
  /** The highest memory use since the process started. */
  readonly peakMiB: number;
  /** The size of the JavaScript heap after a garbage collection. */
  liveHeapMiB(): Promise<number>;
  stop(): Promise<void>;
}

export interface MeasuredControllerOptions {
  /** The path of the bundled program, which is the same as in the image. */
  program: string;
  kubeconfig: string;
  operatorNamespace: string;
  env: Record<string, string>;
}

/**
 * The settings of the image and of the chart. Node derives the limit of its heap from the memory limit of the container: from the chart's
 * 512 MiB it derives 256 MiB.
 */
const AS_INSTALLED = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
  NODE_OPTIONS: "--max-semi-space-size=4 --max-old-space-size=256",
};

/** Starts `smschannel controller`. Its heap is read through Node's inspector, so that the program needs no endpoint for that. */
export async function startController(options: MeasuredControllerOptions): Promise<ControllerProcess> {
  const started = await startNode(
    ["--inspect=127.0.0.1:0", options.program, "controller"],
    {
      KUBECONFIG: options.kubeconfig,
      OPERATOR_NAMESPACE: options.operatorNamespace,
      INSTANCE: `${options.operatorNamespace}/bench`,
      METRICS_PORT: "0",
      ...AS_INSTALLED,
      ...options.env,
    },
    /listening on (ws:\S+)/,
    "stderr",
  );
  return new Controlled(started);
}

class Controlled implements ControllerProcess {
  readonly #started: StartedChild;

  constructor(started: StartedChild) {
    this.#started = started;
  }

  get rssMiB() {
    return this.#memory("VmRSS");
  }
  get peakMiB() {
    return this.#memory("VmHWM");
  }
  async liveHeapMiB() {
    // JavaScript finalizers run after a garbage collection, so a second garbage collection is needed for the memory that they released.
    const [, , { usedSize }] = await inspect(this.#started.said, [
      "HeapProfiler.collectGarbage",
      "HeapProfiler.collectGarbage",
      "Runtime.getHeapUsage",
    ]);
    return usedSize / 2 ** 20;
  }
  stop() {
    return end(this.#started);
  }

  #memory(field: string): number {
    const status = readFileSync(`/proc/${this.#started.child.pid}/status`, "utf8");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  }
}

/** Sends commands of the Chrome DevTools Protocol one after another, and returns their results. */
async function inspect(
  url: string,
  methods: readonly string[],
): Promise<[unknown, unknown, { usedSize: number }]> {
  const socket = new WebSocket(url);
  const results: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const next = () => {
    const method = methods[results.length];
    if (method === undefined) done.resolve();
    else socket.send(JSON.stringify({ id: results.length, method }));
  };
  socket.addEventListener("open", next);
  socket.addEventListener("error", () => done.reject(new Error("the inspector does not answer")));
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result: unknown };
    if (id !== results.length) return;
    results.push(result);
    next();
  });
  await done.promise;
  socket.close();
  return results as [unknown, unknown, { usedSize: number }];
}
