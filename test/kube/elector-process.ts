import { systemClock } from "../../src/clock.ts";
import { LeaderElector } from "../../src/kube/leader/leader.ts";
import { silentLog } from "../../src/log.ts";
import { loadClient } from "./widgets.ts";

// Prints every millisecond whether this process would act as leader now: `acted TIME` or `waited TIME`.
const [kubeconfig, namespace, times] = process.argv.slice(2) as [string, string, string];
const client = loadClient(kubeconfig, 1000);
const elector = new LeaderElector({
  client,
  namespace,
  name: "l",
  identity: "child",
  clock: systemClock,
  log: silentLog,
  ...JSON.parse(times),
});
elector.start();
setInterval(
  () => process.stdout.write(`${elector.remainingMs() > 0 ? "acted" : "waited"} ${Date.now()}\n`),
  1,
);
