import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Manifest, type Rendered, render } from "./helm.ts";

// Users can add to the chart's objects: volumes, variables, arguments, node selectors, annotations, accounts and further objects.

/** Finds the object with the pod template of a process. The keys are the names that the processes have in the chart's values. */
const processes: Record<string, (rendered: Rendered) => Manifest> = {
  controller: (rendered) => rendered.one("Deployment", "-controller"),
  receiver: (rendered) => rendered.one("Deployment", "-receiver"),
  migrations: (rendered) => rendered.one("Job", rendered.migrations()),
  uninstall: (rendered) => rendered.one("Job", "-release"),
  tests: (rendered) => rendered.one("Pod", "-test"),
};
const podOf = (manifest: Manifest) =>
  manifest.kind === "Pod" ? manifest : (manifest.spec.template as Manifest);

describe.each(Object.entries(processes))('with the values under "%s"', (key, of) => {
  const pod = async (values: object, others: object = {}) =>
    podOf(of(await render({ ...others, [key]: values })));

  test("the pod takes volumes, mounts, variables and arguments in addition to the chart's own", async () => {
    const values = {
      extraEnv: [{ name: "A", value: "1" }],
      extraArgs: ["--log-level=debug"],
      extraVolumes: [{ name: "more", emptyDir: {} }],
      extraVolumeMounts: [{ name: "more", mountPath: "/more" }],
    };
    const { spec } = await pod(values, { trustedCertificates: { configMap: "ca" } });
    const [container] = spec.containers;
    expect(container.env).toContainEqual({ name: "A", value: "1" });
    expect(container.env.length).toBeGreaterThan(2);
    expect(container.args.at(-1)).toBe("--log-level=debug");
    expect(container.args.length).toBeGreaterThan(1);
    expect(spec.volumes).toContainEqual({ name: "more", emptyDir: {} });
    expect(spec.volumes.map(({ name }: Manifest["spec"]) => name)).toContain("trust");
    expect(container.volumeMounts).toContainEqual({ name: "more", mountPath: "/more" });
  });

  test("the pod takes annotations and labels", async () => {
    const { metadata } = await pod({ podAnnotations: { a: "b" }, podLabels: { c: "d" } });
    expect(metadata.annotations).toMatchObject({ a: "b" });
    expect(metadata.labels).toMatchObject({ c: "d", "app.kubernetes.io/name": "sms-channel-operator" });
  });

  test("the pod is scheduled by the values of its process, or else by the values for all pods", async () => {
    const all = { nodeSelector: { disk: "ssd" }, tolerations: [{ key: "all", operator: "Exists" }] };
    const own = {
      nodeSelector: { zone: "a" },
      tolerations: [{ key: "own", operator: "Exists" }],
      affinity: { nodeAffinity: {} },
    };
    expect((await pod({}, all)).spec).toMatchObject(all);
    const { spec } = await pod(own, all);
    expect({
      nodeSelector: spec.nodeSelector,
      tolerations: spec.tolerations,
      affinity: spec.affinity,
    }).toEqual(own);
  });

  test("the pod uses the DNS settings of its values", async () => {
    const dnsConfig = { options: [{ name: "ndots", value: "1" }] };
    expect((await pod({ dnsPolicy: "Default", dnsConfig })).spec).toMatchObject({
      dnsPolicy: "Default",
      dnsConfig,
    });
    expect((await pod({})).spec).not.toHaveProperty("dnsPolicy");
  });

  test("the pod runs as a ServiceAccount of another name, which the chart creates or which exists already", async () => {
    const named = await render({ [key]: { serviceAccount: { name: "mine", annotations: { a: "b" } } } });
    expect(named.one("ServiceAccount", "mine").metadata.annotations).toMatchObject({ a: "b" });
    expect(podOf(of(named)).spec.serviceAccountName).toBe("mine");
    const there = await render({ [key]: { serviceAccount: { create: false, name: "mine" } } });
    expect(podOf(of(there)).spec.serviceAccountName).toBe("mine");
    expect(there.of("ServiceAccount")).toHaveLength(4);
    // The rights of the account do not depend on who creates it.
    const subjects = (rendered: Rendered) =>
      [...rendered.of("RoleBinding"), ...rendered.of("ClusterRoleBinding")].flatMap(
        ({ metadata, subjects }) =>
          (subjects as { name: string }[]).map(({ name }) => `${metadata.name} ${name}`),
      );
    expect(subjects(there)).toEqual(subjects(named));
  });

  test("the pod keeps the settings of the restricted Pod Security Standard when other security settings are added", async () => {
    const { spec } = await pod(
      { extraVolumes: [{ name: "a", emptyDir: {} }] },
      {
        podSecurityContext: { fsGroup: 1000 },
        containerSecurityContext: { runAsUser: 1000, capabilities: { add: ["NET_BIND_SERVICE"] } },
      },
    );
    expect(spec.securityContext).toEqual({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
      fsGroup: 1000,
    });
    expect(spec.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
      runAsUser: 1000,
    });
  });

  test("the pod departs from its default security settings only where a value says so", async () => {
    const { spec } = await pod({}, { containerSecurityContext: { readOnlyRootFilesystem: false } });
    expect(spec.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: false,
      capabilities: { drop: ["ALL"] },
    });
  });

  test("the pod leaves out a resource amount that is `none`", async () => {
    const resources = { requests: { cpu: "none" }, limits: { memory: "none" } };
    const { spec } = await pod({ resources });
    expect(spec.containers[0].resources).toEqual({ requests: { memory: expect.stringMatching(/Mi$/) } });
  });
});

test("annotations that the values give to a Deployment or Job are on that object, and not on its pods", async () => {
  for (const key of ["controller", "receiver", "migrations", "uninstall"]) {
    const manifest = processes[key]!(await render({ [key]: { annotations: { a: "b" } } }));
    expect(manifest.metadata.annotations).toMatchObject({ a: "b" });
    expect(podOf(manifest).metadata.annotations ?? {}).not.toHaveProperty("a");
  }
});

test("the migrations get a new Job only when the pod of the Job changes", async () => {
  const name = async (migrations: object) => (await render({ migrations })).migrations();
  const before = await name({});
  expect(await name({ annotations: { a: "b" } })).toBe(before);
  expect(await name({ podAnnotations: { a: "b" } })).not.toBe(before);
});

test("NODE_OPTIONS in a user's extraEnv replace the chart's own", async () => {
  const extraEnv = [{ name: "NODE_OPTIONS", value: "--dns-result-order=ipv4first" }];
  const rendered = await render({ controller: { extraEnv } });
  const { env } = rendered.one("Deployment", "-controller").spec.template.spec.containers[0];
  expect(env.filter(({ name }: { name: string }) => name === "NODE_OPTIONS")).toEqual(extraEnv);
});

test("no process gets the same variable twice", async () => {
  const rendered = await render({
    proxy: { https: "http://proxy:1", http: "http://proxy:1", exclude: "a" },
    trustedCertificates: { secret: "ca" },
    twilio: { baseUrl: "http://twilio" },
  });
  for (const { of, spec } of rendered.pods()) {
    const names = spec.containers[0].env.map(({ name }: { name: string }) => name);
    expect([of, names.length]).toEqual([of, new Set(names).size]);
  }
});

describe("the strategy by which pods are replaced", () => {
  test("can be chosen for each Deployment", async () => {
    const strategies = async (values: object) =>
      (await render(values)).of("Deployment").map(({ spec }) => spec.strategy);
    const gentle = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
    // Kubernetes refuses `rollingUpdate` together with the type Recreate.
    expect(await strategies({ controller: { strategy: { type: "Recreate" } } })).toEqual([
      { type: "Recreate" },
      gentle,
    ]);
    const half = { rollingUpdate: { maxUnavailable: "50%" } };
    expect(await strategies({ receiver: { strategy: half } })).toEqual([
      gentle,
      { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "50%", maxSurge: 1 } },
    ]);
  });
});

describe("the global values of a parent chart for images", () => {
  const imagesOf = async (values: object) =>
    (
      await render({
        ...values,
        database: { existingSecret: "a" },
        evaluationDatabase: {
          enabled: true,
          ...(values as { evaluationDatabase?: object }).evaluationDatabase,
        },
      })
    )
      .pods()
      .map(({ spec }) => spec.containers[0].image as string);
  const mirror = { imageRegistry: "mirror.example.com:5000" };
  const rows: Record<string, [values: object, operator: string, database: string]> = {
    "imageRegistry is used for an image that names no registry": [
      { global: mirror },
      "mirror.example.com:5000/sms-channel-operator:0.1.0",
      "mirror.example.com:5000/library/postgres:18.6",
    ],
    "imageRegistry replaces the registry that an image names": [
      {
        global: mirror,
        image: { registry: "a.example.com", repository: "team/sms" },
        evaluationDatabase: { image: { registry: "b.example.com", repository: "pg" } },
      },
      "mirror.example.com:5000/team/sms:0.1.0",
      "mirror.example.com:5000/pg:18.6",
    ],
    "imageRegistry replaces a registry at the start of the repository": [
      { global: mirror, image: { repository: "localhost/team/sms" } },
      "mirror.example.com:5000/team/sms:0.1.0",
      "mirror.example.com:5000/library/postgres:18.6",
    ],
    "imageRegistry does not replace a folder at the start of the repository": [
      { global: mirror, image: { repository: "team/sms" } },
      "mirror.example.com:5000/team/sms:0.1.0",
      "mirror.example.com:5000/library/postgres:18.6",
    ],
  };
  test.each(Object.entries(rows))("%s", async (_, [values, operator, database]) => {
    const images = await imagesOf(values);
    expect(new Set(images)).toEqual(new Set([operator, database]));
    expect(images.filter((image) => image === database)).toHaveLength(1);
  });

  test("imagePullSecrets are added to the chart's own, as names or as references", async () => {
    const rendered = await render({
      global: { imagePullSecrets: ["all", { name: "own" }] },
      imagePullSecrets: [{ name: "own" }, "second"],
      evaluationDatabase: { enabled: true },
    });
    for (const { of, spec } of rendered.pods())
      expect([of, spec.imagePullSecrets]).toEqual([
        of,
        [{ name: "own" }, { name: "second" }, { name: "all" }],
      ]);
  });
});

describe("trusted certificates given as a value", () => {
  const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");
  const podsOf = async (trustedCertificates: object) =>
    (await render({ trustedCertificates })).of("Deployment").map(({ spec }) => spec.template as Manifest);

  test("become a ConfigMap that every process trusts", async () => {
    const rendered = await render({ trustedCertificates: { pem } });
    const { metadata, data } = rendered.one("ConfigMap", "-trust");
    expect(data).toEqual({ "ca.crt": pem });
    expect(metadata.annotations).toEqual({ "argocd.argoproj.io/sync-wave": "-3" });
    for (const { spec } of rendered.pods())
      expect(spec.volumes).toContainEqual({
        name: "trust",
        configMap: { name: metadata.name, items: [{ key: "ca.crt", path: "ca.crt" }] },
      });
  });

  test("make Kubernetes replace the pods when the certificates change, and only then", async () => {
    for (const { metadata } of await podsOf({ pem }))
      expect(metadata.annotations).toMatchObject({ "checksum/trusted-certificates": hashOf(pem) });
    // `helm template` cannot look up the ConfigMap, so the chart never adds its checksum. If the checksum came and went, pods would be
    // replaced for no reason.
    for (const { metadata } of await podsOf({ configMap: "ca" }))
      expect(metadata.annotations).not.toHaveProperty("checksum/trusted-certificates");
  });
});

describe("additional objects", () => {
  test("are installed with the release, and may use templates", async () => {
    const rendered = await render({
      extraObjects: [
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "{{ .Release.Name }}-more" },
          data: { a: "b" },
        },
        'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "smschannel.fullname" . }}-text\n',
      ],
    });
    expect(rendered.of("ConfigMap").map(({ metadata }) => metadata.name)).toEqual([
      "sms-channel-operator-more",
      "sms-channel-operator-text",
    ]);
  });
});

test("the receiver's Service takes the settings that load balancers need", async () => {
  const service = {
    type: "LoadBalancer",
    loadBalancerClass: "example.com/internal",
    loadBalancerSourceRanges: ["203.0.113.0/24", "2001:db8::/32"],
    externalTrafficPolicy: "Local",
    ipFamilyPolicy: "PreferDualStack",
    ipFamilies: ["IPv6", "IPv4"],
  };
  expect((await render({ receiver: { service } })).one("Service").spec).toMatchObject(service);
  const plain = (await render()).one("Service").spec;
  for (const name of Object.keys(service).filter((name) => name !== "type"))
    expect(plain).not.toHaveProperty(name);
});
