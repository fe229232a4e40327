import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnTied, stopChild } from "../src/child.ts";
import type { SimulatorSeed } from "../src/simulator/simulator.ts";
import { startInbox } from "./inbox.ts";

export interface StartedChild {
  child: ChildProcess;
  /** The part of the child's output that the first group of the pattern `says` matched. */
  said: string;
}

/** Starts Node with these arguments. Resolves when its output matches `says`. */
export async function startNode(
  args: readonly string[],
  env: Record<string, string>,
  says: RegExp,
  on: "stdout" | "stderr" = "stdout",
): Promise<StartedChild> {
  // The child ends together with this process, so that an interrupted bench leaves nothing running.
  const child = spawnTied(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    env: { ...process.env, ...env },
  });
  if (on === "stdout") child.stderr!.pipe(process.stderr, { end: false });
  else child.stdout!.resume();
  const said = await new Promise<string>((resolve, reject) => {
    let text = "";
    child[on]!.on("data", (chunk) => {
      // Only the end of the output is kept, because a process may write much before the line that `says` matches.
      text = (text + chunk).slice(-4096);
      const found = says.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}: ${text}`)));
  });
  return { child, said };
}

export const end = ({ child }: StartedChild): Promise<void> => stopChild(child, "SIGTERM", 30_000);

const SOURCE = "src/main/smschannel.ts";

/** Starts `smschannel` from its sources. */
export function startSmschannel(args: readonly string[], env: Record<string, string>, says: RegExp) {
  return startNode([SOURCE, ...args], env, says);
}

export interface StartedReceiver {
  url: string;
  stop(): Promise<void>;
}

/**
 * Starts a receiver with a database, although the bench sends no texts: an SmsNumber is not Ready while its receiver cannot store texts.
 */
export async function startReceiver(
  kubeconfig: string,
  operatorNamespace: string,
  env: Record<string, string> = {},
): Promise<StartedReceiver> {
  const inbox = await startInbox();
  const receiver = await startSmschannel(
    ["receiver", "--port", "0", "--metrics-port", "0"],
    {
      KUBECONFIG: kubeconfig,
      OPERATOR_NAMESPACE: operatorNamespace,
      INSTANCE: `${operatorNamespace}/bench`,
      DATABASE_URL: inbox.receiverUrl,
      SHUTDOWN_DELAY: "0s",
      ...env,
    },
    /"port":(\d+),"msg":"listening"/,
  );
  return {
    url: `http://127.0.0.1:${receiver.said}`,
    async stop() {
      await end(receiver);
      await inbox.stop();
    },
  };
}

/** Starts a simulated Twilio in a separate process, so that its work is not measured as work of the operator. */
export async function startTwilio(
  seed: SimulatorSeed,
  latencyMs: number,
): Promise<StartedChild & { url: string }> {
  const folder = mkdtempSync(join(tmpdir(), "bench-twilio-"));
  const file = join(folder, "seed.json");
  writeFileSync(file, JSON.stringify(seed));
  const args = ["--port", "0", "--latency", String(latencyMs), "--allow-local-urls", "--seed", file];
  const started = await startSmschannel(["twilio-simulator", ...args], {}, /"url":"([^"]+)"/);
  rmSync(folder, { recursive: true });
  return { ...started, url: started.said };
}
