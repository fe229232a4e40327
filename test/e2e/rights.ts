import { kubectl } from "./kubectl.ts";

export interface Right {
  resources: string;
  names: string[];
  verbs: string[];
}

/** The rights that `kubectl auth can-i --list` lists for a ServiceAccount in a namespace, without the rights that every account has. */
export async function rightsIn(namespace: string, of: string, account: string): Promise<Right[]> {
  const groups = ["system:serviceaccounts", `system:serviceaccounts:${of}`, "system:authenticated"];
  const as = [`--as=system:serviceaccount:${of}:${account}`, ...groups.map((group) => `--as-group=${group}`)];
  const text = await kubectl(["auth", "can-i", "--list", "-n", namespace, "--no-headers", ...as]);
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [, resources, names, verbs] =
        /^(\S*)\s+\[.*?\]\s+\[(.*?)\]\s+\[(.*?)\]$/.exec(line.trimEnd()) ?? [];
      if (resources === undefined) throw new Error(`kubectl auth can-i --list says: ${line}`);
      return { resources, names: words(names), verbs: words(verbs) };
    })
    .filter(({ resources }) => resources !== "" && !everybodys.test(resources));
}

const words = (text = "") => text.split(" ").filter(Boolean);
/** The right of every account to ask which rights it has. */
const everybodys = /^self\w+\.(authorization|authentication)\.k8s\.io$/;
