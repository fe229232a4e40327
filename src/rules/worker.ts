// What runs in the thread of src/rules/thread.ts: one expression after the other is judged, and an end by force harms nobody.
import { parentPort } from "node:worker_threads";
import { judge } from "./rules.ts";

parentPort!.on("message", (when: string) => parentPort!.postMessage(judge(when)));
parentPort!.postMessage("ready");
