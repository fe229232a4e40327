import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const EXAMPLES = "deploy/argocd/examples";
const REPOSITORIES = [
  "https://git.example.com/platform/sms-channel-operator.git",
  "https://git.example.com/platform/sms-channels.git",
];

export type Files = Record<string, string>;

/** All files in one of the project's folders, by their paths in the repository. */
export function folder(path: string): Files {
  const entries = readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const file = join(parentPath, name);
      return [file.slice(ROOT.length + 1), readFileSync(file, "utf8")];
    }),
  );
}

/** The channel that examples/ describes: Secret, opening hours, stream and number. */
export const channel = () => folder("examples");

/** The example objects for Argo CD, adapted as a user would adapt them: with the user's own repository and namespaces. */
export function adapted(repoUrl: string, namespaces: Record<string, string>): Files {
  const own = (text: string) => {
    let now = text;
    for (const url of REPOSITORIES) now = now.replaceAll(url, repoUrl);
    for (const [from, to] of Object.entries(namespaces))
      now = now.replaceAll(`namespace: ${from}\n`, `namespace: ${to}\n`);
    return now;
  };
  const files = Object.entries(folder(EXAMPLES));
  return Object.fromEntries(files.map(([path, text]) => [path, own(text)]));
}

export const example = (name: string) => `${EXAMPLES}/${name}`;
