import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type Manifest, type Rendered, render } from "./helm.ts";

// These tests write the rights of each process as a list that a person can read.

interface GrantedRule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

const line = ({ apiGroups, resources, resourceNames, verbs }: GrantedRule) =>
  `${verbs.join(",")} ${apiGroups[0] || "core"}/${resources.join(",")}${resourceNames === undefined ? "" : ` named ${resourceNames.join(",")}`}`;

/** The rights of a ServiceAccount, by the namespace in which it has them, or by `*` for all namespaces. */
function rightsOf(rendered: Rendered, account: string): Record<string, string[]> {
  const rights: Record<string, string[]> = {};
  for (const binding of [...rendered.of("RoleBinding"), ...rendered.of("ClusterRoleBinding")]) {
    const subjects = (binding.subjects as Manifest["spec"][]).map(
      ({ name, namespace }) => `${namespace}/${name}`,
    );
    if (!subjects.includes(account)) continue;
    const { kind, name } = binding.roleRef;
    const where = binding.metadata.namespace ?? "*";
    const role = rendered
      .of(kind)
      .find(({ metadata }) => metadata.name === name && (metadata.namespace ?? "*") === where);
    rights[where] = [...(rights[where] ?? []), ...(role?.rules as GrantedRule[]).map(line)].sort();
  }
  return rights;
}

const kinds = [
  "get,list,watch,patch smschannel.dev/workstreams,smsnumbers,operatinghours,queues,agents",
  "get,list,watch,patch smschannel.dev/workstreams/status,smsnumbers/status,operatinghours/status,queues/status,agents/status",
];
const watched = ["create,patch events.k8s.io/events", "get core/namespaces", "get,list,watch core/secrets"];
const own = [
  "create coordination.k8s.io/leases",
  "create core/secrets",
  "get,delete core/secrets",
  "get,update coordination.k8s.io/leases named sms-channel-operator-controller",
  "get,update core/secrets named sms-channel-operator-controller-0,sms-channel-operator-receiver-0",
];

describe("the controller", () => {
  const account = "sms/sms-channel-operator-controller";
  test("may read Secrets in all namespaces by default", async () => {
    const rights = rightsOf(await render({ routeShards: 1 }), account);
    expect(rights).toEqual({ "*": [...watched, ...kinds].sort(), sms: own.sort() });
  });

  test("may read Secrets in the named namespaces only, and the kinds everywhere", async () => {
    const rights = rightsOf(await render({ routeShards: 1, watchNamespaces: ["a", "b"] }), account);
    expect(rights).toEqual({ "*": kinds, a: watched, b: watched, sms: own.sort() });
  });

  test("may read nothing outside the named namespaces when rbac.clusterWideKinds is false", async () => {
    const values = { routeShards: 1, watchNamespaces: ["a"], rbac: { clusterWideKinds: false } };
    const rendered = await render(values);
    expect(rightsOf(rendered, account)).toEqual({ a: [...watched, ...kinds].sort(), sms: own.sort() });
    expect(rendered.of("ClusterRole")).toEqual([]);
  });
});

test("the uninstall Job has the controller's rights, and may find and delete the Secrets that the controller saved", async () => {
  const values = { routeShards: 1, watchNamespaces: ["a"] };
  const rights = rightsOf(await render(values), "sms/sms-channel-operator-release");
  const more = [
    "delete core/secrets named sms-channel-operator-controller-0,sms-channel-operator-receiver-0,sms-channel-operator-work-0,sms-channel-operator-test",
    "get core/namespaces named sms",
    "list core/secrets",
  ];
  expect(rights).toEqual({ "*": kinds, a: watched, sms: [...own, ...more].sort() });
});

describe("the uninstall Job has its rights only while it runs", () => {
  const account = "sms-channel-operator-release";
  const hook = {
    "helm.sh/hook": "pre-delete",
    "helm.sh/hook-weight": "-1",
    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    "argocd.argoproj.io/hook": "PreDelete",
    "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation,HookSucceeded",
  };
  const naming = (rendered: Rendered) =>
    rendered.all.filter(({ kind, metadata, subjects = [] }) =>
      /Binding$/.test(kind)
        ? subjects.some(({ name }: { name: string }) => name === account)
        : /^(ServiceAccount|Role|ClusterRole)$/.test(kind) && metadata.name === account,
    );

  test("in all namespaces: the account, its Role and every binding are created with the hook and deleted after it", async () => {
    const found = naming(await render({ uninstall: { rights: "Hook" } }));
    expect(found.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort()).toEqual([
      "ClusterRoleBinding/sms-channel-operator-sms-release-kinds",
      "ClusterRoleBinding/sms-channel-operator-sms-release-watched",
      "Role/sms-channel-operator-release",
      "RoleBinding/sms-channel-operator-release",
      "RoleBinding/sms-channel-operator-release-controller",
      "ServiceAccount/sms-channel-operator-release",
    ]);
    for (const { metadata } of found) expect(metadata.annotations).toEqual(hook);
  });

  test("in named namespaces: the bindings stay, and name an account that exists only while the Job runs", async () => {
    // If a hook created a binding in a namespace that no longer exists, the hook would fail, and the uninstall with it.
    const rendered = await render({ watchNamespaces: ["a", "b"], uninstall: { rights: "Hook" } });
    const lasting = naming(rendered).filter(
      ({ metadata }) => metadata.annotations?.["helm.sh/hook"] === undefined,
    );
    expect(lasting.map(({ kind, metadata }) => `${kind}/${metadata.namespace}`)).toEqual([
      "RoleBinding/a",
      "RoleBinding/b",
    ]);
    expect(rendered.one("ServiceAccount", "-release").metadata.annotations).toEqual(hook);
  });

  test("unless the chart is rendered without a cluster, as by Argo CD: then only the Job is a hook", async () => {
    // If there are several hooks, Argo CD may consider all of them finished before it has seen the Job.
    for (const values of [{}, { uninstall: { rights: "Lasting" } }]) {
      const rendered = await render(values);
      for (const { metadata } of naming(rendered))
        expect(metadata.annotations).toEqual({ "argocd.argoproj.io/sync-wave": "-3" });
      const hooks = rendered.all.filter(({ metadata }) => metadata.annotations?.["argocd.argoproj.io/hook"]);
      expect(hooks.map(({ kind }) => kind)).toEqual(["Job"]);
    }
  });

  test("when the values turn the Job off, no binding names its account", async () => {
    expect(naming(await render({ uninstall: { webhooks: "Off" }, watchNamespaces: ["a"] }))).toEqual([]);
  });
});

describe("people who may view or edit a namespace", () => {
  const roles = async (values: object) =>
    (await render(values)).of("ClusterRole").filter(({ metadata }) => /-(view|edit)$/.test(metadata.name));

  test("may view, or create and delete, the operator's kinds there", async () => {
    const found = Object.fromEntries(
      (await roles({})).map(({ metadata, rules }) => [
        metadata.name,
        [
          Object.keys(metadata.labels!).filter((key) => key.startsWith("rbac.")),
          (rules as GrantedRule[]).map(line),
        ],
      ]),
    );
    const of = (role: string) => `rbac.authorization.k8s.io/aggregate-to-${role}`;
    const all = "smschannel.dev/workstreams,smsnumbers,operatinghours,queues,agents";
    expect(found).toEqual({
      "sms-channel-operator-sms-view": [
        [of("admin"), of("edit"), of("view")],
        [
          `get,list,watch ${all}`,
          "get smschannel.dev/workstreams/status,smsnumbers/status,operatinghours/status,queues/status,agents/status",
        ],
      ],
      "sms-channel-operator-sms-edit": [
        [of("admin"), of("edit")],
        [`create,update,patch,delete,deletecollection ${all}`],
      ],
    });
  });

  test("get no such right from the chart when the values leave rights to somebody else", async () => {
    expect(await roles({ rbac: { aggregateToDefaultRoles: false } })).toEqual([]);
    expect(await roles({ rbac: { create: false } })).toEqual([]);
    expect(await roles({ rbac: { clusterWideKinds: false }, watchNamespaces: ["a"] })).toEqual([]);
  });
});

test("the receiver may read its compiled routes and nothing else", async () => {
  const rendered = await render({ routeShards: 3, instance: "blue" });
  expect(rightsOf(rendered, "sms/sms-channel-operator-receiver")).toEqual({
    sms: ["get,list,watch core/secrets named blue-receiver-0,blue-receiver-1,blue-receiver-2"],
  });
});

test("the migrations Job and the test pod have no rights", async () => {
  const rendered = await render();
  for (const name of ["migrations", "test"])
    expect(rightsOf(rendered, `sms/sms-channel-operator-${name}`)).toEqual({});
});

test("the chart creates no rights when the values leave them to somebody else", async () => {
  const rendered = await render({ rbac: { create: false } });
  expect(rendered.names().filter((name) => /Role|Binding/.test(name))).toEqual([]);
  expect(rendered.of("ServiceAccount")).toHaveLength(5);
});

test("docs/install/rbac.md lists exactly the rights that the chart grants", async () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/install/rbac.md"), "utf8");
  const said = (heading: string) => {
    const section = page.slice(page.indexOf(`\n## ${heading}`) + 1);
    const rows = section.slice(0, section.indexOf("\n## ")).matchAll(/^\| (\w+) \| `([^`]+)` \|/gm);
    return [...rows].map(([, where, right]) => `${where} ${right}`).sort();
  };
  const values = { routeShards: 1, watchNamespaces: ["a"] };
  const rendered = await render(values);
  const granted = (account: string) =>
    Object.entries(rightsOf(rendered, `sms/sms-channel-operator-${account}`))
      .flatMap(([where, rights]) => rights.map((right) => `${places[where]} ${general(right)}`))
      .sort();
  expect(said("controller")).toEqual(granted("controller"));
  expect(said("receiver")).toEqual(granted("receiver"));
  expect([...said("controller"), ...said("release")].sort()).toEqual(granted("release"));
});

const places: Record<string, string> = { "*": "all", a: "watched", sms: "release" };
/** Replaces names that depend on the release by placeholders. */
const general = (right: string) =>
  right
    .replaceAll(/sms-channel-operator-(controller|receiver|work)-0/g, "{release}-$1-N")
    .replace("named sms-channel-operator-controller", "named {release}-controller")
    .replace("sms-channel-operator-test", "{release}-test")
    .replace("named sms", "named {namespace}");

test("two releases with the same name in two namespaces share no cluster-wide object", async () => {
  const names = async (namespace: string) =>
    (await render({ watchNamespaces: ["a"] }, { namespace })).all
      .filter(({ kind, metadata }) => kind !== "CustomResourceDefinition" && metadata.namespace !== namespace)
      .map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`);
  const [one, two] = await Promise.all([names("one"), names("two")]);
  // The seven objects are the ClusterRole for the kinds and its binding, a Role and its binding in the watched namespace, two
  // ClusterRoles for people, and the binding of the uninstall hook.
  expect(one).toHaveLength(7);
  expect(one.filter((name) => two.includes(name))).toEqual([]);
});

test("ServiceAccounts take annotations, which cloud identities need", async () => {
  const annotations = { "example.com/role": "x" };
  const rendered = await render({
    controller: { serviceAccount: { annotations } },
    receiver: { serviceAccount: { annotations } },
  });
  for (const name of ["-controller", "-receiver"])
    expect(rendered.one("ServiceAccount", name).metadata.annotations).toMatchObject(annotations);
});
