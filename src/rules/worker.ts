// Runs in the thread of src/rules/thread.ts and checks one expression after the other. The thread holds nothing else, so it can
// be ended at any time.
import { parentPort } from "node:worker_threads";
import { judge } from "./rules.ts";

parentPort!.on("message", (when: string) => parentPort!.postMessage(judge(when)));
parentPort!.postMessage("ready");
