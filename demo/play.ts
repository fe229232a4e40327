import { systemClock } from "../src/clock.ts";
import { createLog } from "../src/log.ts";
import { deleteExamples, playEnding } from "./ending.ts";
import { hints } from "./hints.ts";
import { playMainJob } from "./main-job.ts";
import { Objects } from "./objects.ts";
import { lastLines } from "./program.ts";
import { jsonReporter, personReporter } from "./reporter.ts";
import { setScene } from "./scene.ts";
import { Teller } from "./teller.ts";

/** Tells the story on this machine; false when a step was not seen to be so. */
export async function playDemo(
  { once, json }: { once: boolean; json: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const write = (line: string) => void process.stdout.write(line);
  const reporter = json ? jsonReporter(write) : personReporter(write, () => performance.now());
  // Standard output is the story's; what the parts in this process have to say is only of use when something is wrong.
  const log = createLog({ level: "silent", process: "demo" });
  const clock = systemClock;
  const teller = new Teller(reporter, signal);
  await using stack = new AsyncDisposableStack();
  const logFiles: string[] = [];
  try {
    const scene = await untilAborted(setScene(teller, { log, clock, stack }, signal), signal);
    logFiles.push(...scene.operator.logFiles);
    const { client } = scene.stage;
    const objects = new Objects({ client, clock, log, onTurn: (line) => reporter.note(line) });
    stack.defer(() => objects.stop());
    await objects.start();
    if (!scene.stage.disposable) stack.defer(() => deleteExamples(scene, objects));
    await playMainJob(teller, scene, objects, signal);
    if (once) await playEnding(teller, scene, objects, signal);
    reporter.end({ ok: true, steps: teller.steps });
    if (!once) await stayUp(json ? "" : hints(scene), signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    reporter.end({ ok: false, steps: teller.steps });
    for (const file of logFiles) process.stderr.write(`\nthe end of ${file}:\n${lastLines(file, 15)}\n`);
    if (!(error instanceof Error && error.name === "NotSeen"))
      process.stderr.write(`${(error as Error).stack}\n`);
    return false;
  }
}

/** A control plane that is being built cannot be stopped half way; it ends with this process. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([work, promise]);
}

/** Prints what to try and resolves when somebody ends the demo. */
async function stayUp(text: string, signal: AbortSignal): Promise<void> {
  process.stdout.write(text);
  // A pending promise alone would let the process end.
  const alive = setInterval(() => undefined, 3_600_000);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  clearInterval(alive);
}
