import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { systemClock } from "../clock.ts";
import { type Released, release, type Webhooks } from "../controllers/release/release.ts";
import { KubeClient } from "../kube/client/client.ts";
import { LeaderElector } from "../kube/leader/leader.ts";
import { namespaces } from "../kube/resource.ts";
import { ALWAYS, type Term } from "../leadership.ts";
import { createLog, type Log } from "../log.ts";
import { leaseName, previousPrefix } from "../routes/secrets.ts";
import { type Command, type Config, flag, instanceOf, settings, UsageError } from "./config.ts";
import { KUBE_TIMEOUT_MS } from "./controller.ts";
import { listenForStop } from "./signals.ts";

const only = (env: string, help: string) =>
  ({ env, help, parse: flag, default: "false", boolean: true, flagOnly: true }) as const;

const own = {
  restore: only("RESTORE", "Restore every number's former webhook, also where deletionPolicy is Retain."),
  retain: only(
    "RETAIN",
    "Leave every webhook at Twilio as it is, when the operator will be installed again. The former webhooks stay saved.",
  ),
  all: only("ALL", "Also let go of objects that another release manages."),
  kubeconfig: settings.kubeconfig,
  operatorNamespace: settings.operatorNamespace,
  instance: settings.instance,
  watchNamespaces: settings.watchNamespaces,
  publicUrl: {
    env: settings.publicUrl.env,
    help: "URL of the receiver, by which webhooks of this operator are recognised. Default: the URL in the status of the WorkStreams.",
    parse: settings.publicUrl.parse,
  },
  routeShards: settings.routeShards,
  twilioBaseUrl: settings.twilioBaseUrl,
  deleteTimeout: {
    ...settings.deleteTimeout,
    help: "How long to wait for Twilio during an outage, for all numbers together, before the webhooks are left as they are.",
  },
  // Only warnings are logged by default, because a user reads the output of `say`, and log lines would hide it.
  logLevel: { ...settings.logLevel, default: "warn" },
} as const;

/**
 * After this command has ended, no controller becomes the leader for this long, so that there is time to stop the operator's processes.
 * Otherwise they would set every webhook again. An operator that is installed again waits at most this long.
 */
const HOLD_MS = 120_000;
/** The prefix of the identity with which this command holds the Lease. By this prefix, two runs of the command recognise each other. */
const RELEASE = "release_";

/** `smschannel release`: restores webhooks and removes finalizers, before the operator is uninstalled or after it is gone. */
export const releaseCommand: Command<typeof own> = {
  name: "release",
  summary:
    "restore every number's webhook and let go of all objects, before the operator is uninstalled or after",
  settings: own,
  async run(config) {
    if (config.restore && config.retain)
      throw new UsageError("--restore and --retain are both set: choose one");
    const log = createLog({ level: config.logLevel, process: "release" });
    const stop = listenForStop();
    try {
      const released = await run(config, log, stop.signal);
      say(summaryOf(released));
      if (released.kept > 0) say(keptOf(released, config));
      if (released.others.size > 0) say(othersOf(released, instanceOf(config)));
    } catch (error) {
      log.fatal(
        { err: error },
        "not all objects were let go; run the command again, it continues where it stopped",
      );
      process.exitCode = 1;
    } finally {
      stop.end();
    }
  },
};

/** The data that all steps of a release need. */
interface ReleaseRun {
  config: Config<typeof own>;
  client: KubeClient;
  log: Log;
}

async function run(config: Config<typeof own>, log: Log, stopped: AbortSignal): Promise<Released> {
  const { kubeconfig, operatorNamespace } = config;
  const load = () =>
    KubeClient.load({
      kubeconfig,
      userAgent: "sms-channel-operator",
      log,
      requestTimeoutMs: KUBE_TIMEOUT_MS,
    });
  // The Lease has a client of its own, so that a burst of writes cannot delay the renewal of the Lease.
  const [client, leaseClient] = [load(), load()];
  try {
    // When the operator's namespace is gone, its processes, Lease and Secrets are gone, too. So no Lease is needed.
    if ((await client.get(namespaces, { name: operatorNamespace }, stopped)) === undefined) {
      say(`namespace ${operatorNamespace} is gone, and with it whatever the operator had saved`);
      return await letGo({ config, client, log }, ALWAYS, stopped);
    }
    return await leading(
      { config, client: leaseClient, log },
      (term) => letGo({ config, client, log }, term, AbortSignal.any([term.signal, stopped])),
      stopped,
    );
  } finally {
    await Promise.all([client.close(), leaseClient.close()]);
  }
}

/**
 * Runs `work` as the leader. Takes the Lease away from a controller, but waits for the end of another run of this command. Afterwards keeps
 * the Lease for HOLD_MS, unless the work failed.
 */
async function leading<T>(
  { config, client, log }: ReleaseRun,
  work: (term: Term) => Promise<T>,
  stopped: AbortSignal,
): Promise<T> {
  const leader = new LeaderElector({
    client,
    namespace: config.operatorNamespace,
    name: leaseName(instanceOf(config)),
    identity: `${RELEASE}${hostname()}_${randomBytes(4).toString("hex")}`,
    clock: systemClock,
    log,
    // A run of this command never takes the Lease from another run: two runs that kept taking it from each other would never begin.
    seize: (holder) => !holder.startsWith(RELEASE),
    onWait: (holder) => say(`another release is at work (${holder}); waiting until it ends …`),
  });
  let done = false;
  try {
    say("taking over from the controller, which needs up to 15 s to stop …");
    leader.start();
    const result = await work(await firstTerm(leader, stopped));
    done = true;
    return result;
  } finally {
    // If the work failed, the Lease is given back, so that a controller that still runs may take it immediately.
    await leader.stop(done ? { holdMs: HOLD_MS } : {});
  }
}

/** Restores the webhooks, as flags and specs say, and removes the finalizers of all objects that this release manages. */
async function letGo(
  { config, client, log }: ReleaseRun,
  term: Term,
  signal: AbortSignal,
): Promise<Released> {
  const { operatorNamespace, publicUrl, twilioBaseUrl, routeShards, all } = config;
  return await release(
    {
      ...{ client, term, operatorNamespace, publicUrl, twilioBaseUrl, routeShards, all, log },
      instance: instanceOf(config),
      namespaces: config.watchNamespaces,
      webhooks: webhooksOf(config),
      timeoutMs: config.deleteTimeout,
      clock: systemClock,
      tell: (kind, key, what) => say(`${kind} ${key}: ${what}`),
    },
    signal,
  );
}

/** Resolves when this process becomes the leader. Rejects when the user stops the command first. */
function firstTerm(leader: LeaderElector, stopped: AbortSignal): Promise<Term> {
  return new Promise((resolve, reject) => {
    stopped.addEventListener("abort", () => reject(stopped.reason), { once: true });
    leader.onTerm(resolve);
  });
}

function webhooksOf({ restore, retain }: { restore: boolean; retain: boolean }): Webhooks {
  if (restore) return "restore";
  return retain ? "retain" : "asSpecified";
}

/** The line that says what was done. It names every kind of object, even when the count is 0, so that no kind seems to be forgotten. */
function summaryOf({ numbers, left, streams, hours, secrets }: Released): string {
  const warning = left === 0 ? "" : ` (${left} with a warning above: check their webhooks at Twilio)`;
  return `let go: ${numbers} SmsNumbers${warning}, ${streams} WorkStreams, ${hours} OperatingHours; deleted: ${secrets} Secrets`;
}

/** The line about the Secrets that stay after a release. They may contain passwords, and only this line tells the user about them. */
function keptOf({ kept }: Released, config: Config<typeof own>): string {
  const names = `${config.operatorNamespace}/${previousPrefix(instanceOf(config))}…`;
  return `kept: ${kept} saved webhooks of numbers that still point at the receiver, in the Secrets ${names}; an operator that is installed again under the same name restores them`;
}

/** The line for a user who did not name the right instance: nothing was let go, and the line shows which names to use. */
function othersOf({ others }: Released, instance: string): string {
  const owners = [...others].map(([owner, count]) => `${owner} (${count})`).join(", ");
  return `left alone, because ${instance} does not manage them: objects of ${owners}; name their release with --instance and --operator-namespace, or let go of all with --all`;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
