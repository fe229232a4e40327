import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The kernel's clock ticks per second on every Linux that Node runs on. */
const TICKS = 100;

/** CPU seconds that a server and the database have used so far. */
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

/** Backends come and go; what an ended one used is in its parent's account. */
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

/** The fields after the program's name, which may hold blanks: state first, then the parent. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
