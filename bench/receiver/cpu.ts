import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Clock ticks per second in /proc: 100 on every Linux that Node supports. */
const TICKS = 100;

/** How many CPU seconds the server and PostgreSQL have used so far. */
export function cpuSeconds(serverPid: number, postmasterPid: number): number {
  let ticks = ownTicks(serverPid);
  const { own, ended } = ticksOf(postmasterPid);
  ticks += own + ended;
  for (const pid of childrenOf(postmasterPid)) ticks += ownTicks(pid);
  return ticks / TICKS;
}

export function postmasterPid(dataDir: string): number {
  return Number(readFileSync(join(dataDir, "data", "postmaster.pid"), "utf8").split("\n")[0]);
}

/**
 * The process ids of the children of process `parent`: PostgreSQL starts a process for each connection. The kernel adds the CPU time of an
 * ended process to its parent.
 */
function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)?.[1] === String(parent));
}

const ownTicks = (pid: number) => ticksOf(pid).own;

function ticksOf(pid: number) {
  const stat = statOf(pid);
  if (stat === undefined) return { own: 0, ended: 0 };
  const [user, system, endedUser, endedSystem] = stat.slice(11, 15).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { own: user + system, ended: endedUser + endedSystem };
}

/**
 * The fields of /proc/PID/stat after the program's name: the state, the parent, and so on. The name is skipped, because it may contain
 * blanks.
 */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
