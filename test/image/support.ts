import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { GenericContainer, getContainerRuntimeClient, type WaitStrategy } from "testcontainers";
import { inject } from "vitest";

/** A container with the strictest settings of a cluster: read-only, without capabilities or privilege escalation. */
export class Hardened extends GenericContainer {
  constructor() {
    super(inject("image"));
    this.hostConfig.ReadonlyRootfs = true;
    this.withDroppedCapabilities("ALL").withSecurityOpt("no-new-privileges");
    // Testcontainers would start another image to clean up. Each test stops what it has started instead.
    this.withAutoCleanup(false);
  }
}

export interface ContainerRun {
  /** The user of the container, by default the image's own user. */
  user?: string;
  env?: Record<string, string>;
  /** Files of this machine that the container can read. The keys are their paths in the container. */
  files?: Record<string, string>;
}

/** Runs a command to its end, without a network. */
export async function run(
  command: string[],
  options: ContainerRun = {},
): Promise<{ code: number; output: string }> {
  const container = prepared(new Hardened().withNetworkMode("none").withCommand(command), options);
  await using started = await container.withWaitStrategy(untilEnded).start();
  const { StatusCode: code } = await (await handle(started.getId())).wait();
  return { code, output: await text(await started.logs()) };
}

export function prepared<C extends GenericContainer>(
  container: C,
  { user, env, files = {} }: ContainerRun,
): C {
  if (user !== undefined) container.withUser(user);
  if (env !== undefined) container.withEnvironment(env);
  const mounts = Object.entries(files).map(([target, source]) => ({ source, target, mode: "ro" as const }));
  return container.withBindMounts(mounts);
}

/** Docker's own handle of a container. It offers what testcontainers does not: signals and the exit code. */
export async function handle(id: string) {
  return (await getContainerRuntimeClient()).container.dockerode.getContainer(id);
}

/** Waits for a container that ends by itself. The container counts as ready when it has ended, with any exit code. */
const untilEnded: WaitStrategy = {
  waitUntilReady: async (container) => void (await container.wait()),
  withStartupTimeout: () => untilEnded,
  isStartupTimeoutSet: () => true,
  getStartupTimeout: () => 60_000,
};

/** Reads a container's log lines as they come. `said` resolves when a line has this message, even if the line came before the call. */
export class ContainerLog {
  readonly #lines: { msg?: string }[] = [];
  readonly #waiting = new Map<string, () => void>();

  constructor(stream: Readable) {
    createInterface({ input: stream }).on("line", (line) => {
      if (!line.startsWith("{")) return;
      const parsed = JSON.parse(line) as { msg?: string };
      this.#lines.push(parsed);
      this.#waiting.get(parsed.msg ?? "")?.();
    });
  }

  said(msg: string): Promise<void> {
    if (this.#lines.some((line) => line.msg === msg)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(msg, resolve));
  }
}
