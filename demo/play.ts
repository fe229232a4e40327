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

/** Plays the demo on this machine. Returns false when a step failed, or when the demo was interrupted before its end. */
export async function playDemo(
  { once, json }: { once: boolean; json: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const write = (line: string) => void process.stdout.write(line);
  const reporter = json ? jsonReporter(write) : personReporter(write, () => performance.now());
  // Standard output is for the demo's steps only, so the parts that run in this process do not log.
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
    // A user who presses Ctrl-C knows why the demo ends, so no error is shown.
    if (signal.aborted) return false;
    reporter.end({ ok: false, steps: teller.steps });
    for (const file of logFiles) process.stderr.write(`\nthe end of ${file}:\n${lastLines(file, 15)}\n`);
    // An error of class NotSeen was already reported as the failed step. Any other error is a bug, so its stack trace is shown.
    if (!(error instanceof Error && error.name === "NotSeen"))
      process.stderr.write(`${(error as Error).stack}\n`);
    return false;
  }
}

/**
 * Rejects as soon as the demo is interrupted, without waiting for `work`. Work that cannot be interrupted, such as building a control
 * plane, ends with this process.
 */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([work, promise]);
}

/** Prints the text that says what to try, and resolves when a user interrupts the demo. */
async function stayUp(text: string, signal: AbortSignal): Promise<void> {
  process.stdout.write(text);
  // Node ends a process that only waits for a promise. The timer keeps the process alive.
  const alive = setInterval(() => undefined, 3_600_000);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  clearInterval(alive);
}
