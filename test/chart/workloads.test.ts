import { describe, expect, test } from "vitest";
import { filesOf, render } from "./helm.ts";

describe("the image", () => {
  const rows: Record<string, [image: object, want: string]> = {
    "has the chart's own version by default": [{}, "sms-channel-operator:0.1.0"],
    "has the registry and the tag of the values": [
      { registry: "r.example.com", repository: "team/sms", tag: "1.2.3" },
      "r.example.com/team/sms:1.2.3",
    ],
    "is named by its digest, even when there is a tag": [
      { tag: "1.2.3", digest: `sha256:${"0a".repeat(32)}` },
      `sms-channel-operator@sha256:${"0a".repeat(32)}`,
    ],
  };
  test.each(Object.entries(rows))("%s", async (_, [image, want]) => {
    const pods = (await render({ image })).pods();
    expect(
      new Set(pods.flatMap(({ spec }) => spec.containers.map((each: { image: string }) => each.image))),
    ).toEqual(new Set([want]));
  });

  test("is pulled with the pull policy and the Secrets of the values, in every pod", async () => {
    const pods = (
      await render({ image: { pullPolicy: "Always" }, imagePullSecrets: [{ name: "registry" }] })
    ).pods();
    for (const { spec } of pods) {
      expect(spec.imagePullSecrets).toEqual([{ name: "registry" }]);
      expect(spec.containers[0].imagePullPolicy).toBe("Always");
    }
  });
});

describe("the controller", () => {
  test("gets the default values as variables, and no variable for a value that is not set", async () => {
    const rendered = await render();
    expect(rendered.env("Deployment", "-controller")).toEqual({
      LOG_LEVEL: "info",
      REFUSE_ROOT: "true",
      OPERATOR_NAMESPACE: "(metadata.namespace)",
      INSTANCE: "$(OPERATOR_NAMESPACE)/sms-channel-operator",
      ROUTE_SHARDS: "4",
      NODE_OPTIONS: "--max-semi-space-size=4",
      METRICS_PORT: "9090",
      PUBLIC_URL: "https://sms.example.com",
      URL_CHECK: "enforce",
      RESYNC_INTERVAL: "5m",
      DELETE_TIMEOUT: "10m",
      MAX_STREAMS_PER_NAMESPACE: "1000",
      TEST_ROUTE: "true",
      DATABASE_URL_FILE: "/etc/smschannel/database/url",
    });
    expect(rendered.files("-controller")).toEqual({
      "/etc/smschannel/database/url": "sms-database/controller-url",
    });
  });

  test("gets a variable for every value that is set", async () => {
    const rendered = await render({
      fallbackPublicUrl: "https://sms2.example.com",
      allowInsecurePublicUrl: true,
      watchNamespaces: ["a", "b"],
      instance: "blue",
      takeOverFrom: "sms/green",
      routeShards: 8,
      maxStreamsPerNamespace: 5,
      resyncInterval: "1m",
      deleteTimeout: "30s",
      urlCheck: { mode: "report", address: "10.0.0.1:443" },
      logLevel: "debug",
      twilio: { baseUrl: "http://twilio:8080" },
      proxy: { https: "http://proxy:1", http: "http://proxy:2", exclude: "a,b" },
      trustedCertificates: { configMap: "ca" },
      database: { controllerSecret: "other", controllerUrlKey: "uri" },
      controller: { extraEnv: [{ name: "MORE", value: "x" }] },
      tests: { enabled: false },
    });
    expect(rendered.env("Deployment", "-controller")).toEqual({
      LOG_LEVEL: "debug",
      REFUSE_ROOT: "true",
      OPERATOR_NAMESPACE: "(metadata.namespace)",
      INSTANCE: "$(OPERATOR_NAMESPACE)/blue",
      ROUTE_SHARDS: "8",
      NODE_OPTIONS: "--max-semi-space-size=4",
      METRICS_PORT: "9090",
      PUBLIC_URL: "https://sms.example.com",
      FALLBACK_PUBLIC_URL: "https://sms2.example.com",
      ALLOW_INSECURE_PUBLIC_URL: "true",
      WATCH_NAMESPACES: "a,b",
      URL_CHECK: "report",
      URL_CHECK_ADDRESS: "10.0.0.1:443",
      RESYNC_INTERVAL: "1m",
      DELETE_TIMEOUT: "30s",
      MAX_STREAMS_PER_NAMESPACE: "5",
      TAKE_OVER_FROM: "sms/green",
      TWILIO_BASE_URL: "http://twilio:8080",
      HTTPS_PROXY: "http://proxy:1",
      HTTP_PROXY: "http://proxy:2",
      NO_PROXY: "a,b",
      NODE_EXTRA_CA_CERTS: "/etc/smschannel/trust/ca.crt",
      DATABASE_URL_FILE: "/etc/smschannel/database/url",
      MORE: "x",
    });
    expect(rendered.files("-controller")).toEqual({
      "/etc/smschannel/database/url": "other/uri",
      "/etc/smschannel/trust/ca.crt": "ca/ca.crt",
    });
  });

  test("has a Lease that the chart creates, unless the values leave its creation to the controller", async () => {
    const [lease, ...others] = (await render({ instance: "blue" })).of("Lease");
    expect(lease!.metadata).toMatchObject({ name: "blue-controller", namespace: "sms" });
    // The controllers write the Lease's holder into its spec, and an upgrade must not reset the holder.
    expect(lease).not.toHaveProperty("spec");
    expect(others).toEqual([]);
    const without = await render({ controller: { lease: { create: false } } });
    expect(without.of("Lease")).toEqual([]);
  });

  test("gets no database URL when the key of its URL is empty", async () => {
    const rendered = await render({ database: { controllerUrlKey: "" } });
    expect(rendered.env("Deployment", "-controller")).not.toHaveProperty("DATABASE_URL_FILE");
    expect(rendered.files("-controller")).toEqual({});
    expect(rendered.env("Job", rendered.migrations())).not.toHaveProperty("CONTROLLER_DATABASE_URL_FILE");
    const { spec } = rendered.one("Job", rendered.migrations()).spec.template;
    expect(filesOf(spec)).not.toHaveProperty(["/etc/smschannel/database/controller-url"]);
  });
});

describe("the receiver", () => {
  test("gets only the database URL of its own role, and no settings for Twilio", async () => {
    const rendered = await render({
      twilio: { baseUrl: "http://twilio:8080" },
      proxy: { https: "http://proxy:1" },
      receiver: { shutdownDelaySeconds: 25 },
    });
    expect(rendered.env("Deployment", "-receiver")).toEqual({
      LOG_LEVEL: "info",
      REFUSE_ROOT: "true",
      OPERATOR_NAMESPACE: "(metadata.namespace)",
      INSTANCE: "$(OPERATOR_NAMESPACE)/sms-channel-operator",
      ROUTE_SHARDS: "4",
      PORT: "8080",
      METRICS_PORT: "9090",
      SHUTDOWN_DELAY: "25s",
      DATABASE_URL_FILE: "/etc/smschannel/database/url",
    });
    expect(rendered.files("-receiver")).toEqual({
      "/etc/smschannel/database/url": "sms-database/receiver-url",
    });
    const { spec } = rendered.one("Deployment", "-receiver").spec.template;
    expect(spec.terminationGracePeriodSeconds).toBe(45);
  });

  test("loses no pod in a rollout before a new pod is ready", async () => {
    const rendered = await render();
    for (const { spec } of rendered.of("Deployment"))
      expect(spec.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
  });
});

describe("the migrations", () => {
  test("run in a plain Job before the Deployments, and only this Job has the database owner's URL", async () => {
    const rendered = await render({ database: { ownerSecret: "owner", createRoles: true } });
    const job = rendered.one("Job", rendered.migrations());
    expect(job.metadata.annotations).toEqual({ "argocd.argoproj.io/sync-wave": "-1" });
    expect(rendered.env("Job", rendered.migrations())).toEqual({
      LOG_LEVEL: "info",
      REFUSE_ROOT: "true",
      DATABASE_WAIT: "10m",
      CREATE_ROLES: "true",
      DATABASE_URL_FILE: "/etc/smschannel/database/url",
      RECEIVER_DATABASE_URL_FILE: "/etc/smschannel/database/receiver-url",
      CONTROLLER_DATABASE_URL_FILE: "/etc/smschannel/database/controller-url",
    });
    // A mounted file follows its Secret, so that a wrong URL can be corrected while the Job waits.
    expect(filesOf(job.spec.template.spec)).toEqual({
      "/etc/smschannel/database/url": "owner/owner-url",
      "/etc/smschannel/database/receiver-url": "sms-database/receiver-url",
      "/etc/smschannel/database/controller-url": "sms-database/controller-url",
    });
    const others = rendered.pods().filter(({ of }) => !of.endsWith(rendered.migrations()));
    expect(JSON.stringify(others)).not.toMatch(/"owner"|owner-url/);
  });

  const name = async (values: object) => (await render(values)).migrations();
  test("get a new Job when the image or their values change, and only then", async () => {
    const before = await name({});
    expect(await name({})).toBe(before);
    expect(await name({ controller: { replicas: 5 }, logLevel: "info" })).toBe(before);
    const others = await Promise.all([
      name({ image: { tag: "0.2.0" } }),
      name({ database: { existingSecret: "another" } }),
      name({ database: { createRoles: true } }),
      name({ migrations: { databaseWait: "1m" } }),
      name({ nodeSelector: { disk: "ssd" } }),
    ]);
    expect(new Set([before, ...others]).size).toBe(6);
  });

  test("are left out when the values disable them", async () => {
    const rendered = await render({ migrations: { enabled: false } });
    expect(rendered.of("Job").filter(({ metadata }) => metadata.name.includes("migrations"))).toEqual([]);
    expect(rendered.text).not.toContain("migrations");
  });
});

describe("all pods", () => {
  const everything = {
    nodeSelector: { disk: "ssd" },
    tolerations: [{ key: "sms", operator: "Exists" }],
    priorityClassName: "high",
    commonLabels: { team: "sms" },
    trustedCertificates: { secret: "ca", key: "tls.crt" },
  };

  test("run on the nodes that the values choose", async () => {
    for (const { labels, spec } of (await render(everything)).pods()) {
      expect(spec.nodeSelector).toEqual({ disk: "ssd" });
      expect(spec.tolerations).toEqual([{ key: "sms", operator: "Exists" }]);
      expect(spec.priorityClassName).toBe("high");
      expect(labels.team).toBe("sms");
    }
  });

  test("trust the given certificates", async () => {
    for (const { spec } of (await render(everything)).pods()) {
      expect(spec.volumes.filter(({ name }: { name: string }) => name === "trust")).toEqual([
        { name: "trust", secret: { secretName: "ca", items: [{ key: "tls.crt", path: "ca.crt" }] } },
      ]);
      expect(spec.containers[0].volumeMounts).toContainEqual({
        name: "trust",
        mountPath: "/etc/smschannel/trust",
        readOnly: true,
      });
    }
  });

  test("meet the restricted Pod Security Standard, and request and limit memory", async () => {
    for (const { of, spec } of (await render(everything)).pods()) {
      expect([of, spec.securityContext]).toEqual([
        of,
        { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      ]);
      expect([of, spec.hostNetwork, spec.hostPID, spec.hostIPC]).toEqual([
        of,
        undefined,
        undefined,
        undefined,
      ]);
      for (const { securityContext, resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        expect(resources.requests.memory).toMatch(/Mi$/);
        expect(resources.limits.memory).toMatch(/Mi$/);
      }
    }
  });

  test("have a Kubernetes token only when they call the Kubernetes API", async () => {
    const rendered = await render();
    const tokens = rendered.pods().map(({ of, spec }) => [of, spec.automountServiceAccountToken]);
    expect(Object.fromEntries(tokens)).toEqual({
      "Deployment/sms-channel-operator-controller": true,
      "Deployment/sms-channel-operator-receiver": true,
      [`Job/${rendered.migrations()}`]: false,
      "Job/sms-channel-operator-release": true,
      "Pod/sms-channel-operator-test": false,
    });
    for (const account of rendered.of("ServiceAccount"))
      expect(account.automountServiceAccountToken).toBe(false);
  });

  test("of Deployments have a startup, a liveness and a readiness probe", async () => {
    for (const { spec } of (await render()).of("Deployment")) {
      const [{ startupProbe, livenessProbe, readinessProbe }] = spec.template.spec.containers;
      expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)).toEqual([
        "/healthz",
        "/healthz",
        "/readyz",
      ]);
    }
  });
});

describe("several replicas", () => {
  test("are spread over zones and nodes unless the values say otherwise", async () => {
    const own = [{ maxSkew: 1, topologyKey: "rack", whenUnsatisfiable: "DoNotSchedule" }];
    const rendered = await render({
      receiver: { topologySpreadConstraints: own, affinity: { nodeAffinity: {} } },
    });
    const specOf = (name: string) => rendered.one("Deployment", name).spec.template.spec;
    const keys = (name: string) =>
      specOf(name).topologySpreadConstraints.map((each: { topologyKey: string }) => each.topologyKey);
    expect(keys("-controller")).toEqual(["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
    expect(specOf("-receiver").topologySpreadConstraints).toEqual(own);
    expect(specOf("-receiver").affinity).toEqual({ nodeAffinity: {} });
  });

  test("are drained one at a time, and the disruption budgets can be left out", async () => {
    const budgets = (await render()).of("PodDisruptionBudget");
    expect(budgets.map(({ spec }) => [spec.maxUnavailable, spec.unhealthyPodEvictionPolicy])).toEqual([
      [1, "AlwaysAllow"],
      [1, "AlwaysAllow"],
    ]);
    const without = { podDisruptionBudget: { enabled: false } };
    expect((await render({ controller: without, receiver: without })).of("PodDisruptionBudget")).toEqual([]);
  });

  test("of the receiver can be scaled by an autoscaler", async () => {
    const behavior = { scaleDown: { stabilizationWindowSeconds: 60 } };
    const autoscaling = { enabled: true, minReplicas: 3, maxReplicas: 9, targetCpuPercent: 50, behavior };
    const rendered = await render({ receiver: { autoscaling } });
    // With a replica count here, every upgrade would reset the count that the autoscaler chose.
    expect(rendered.one("Deployment", "-receiver").spec).not.toHaveProperty("replicas");
    expect(rendered.one("HorizontalPodAutoscaler").spec).toEqual({
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "sms-channel-operator-receiver" },
      minReplicas: 3,
      maxReplicas: 9,
      metrics: [
        {
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
        },
      ],
      behavior,
    });
    expect((await render()).of("HorizontalPodAutoscaler")).toEqual([]);
  });

  test("have selectors that match their own labels and not those of the other process", async () => {
    const rendered = await render();
    const labels = new Map(
      rendered.of("Deployment").map((each) => [each.metadata.name, each.spec.template.metadata.labels]),
    );
    for (const [name, of] of labels) {
      expect(rendered.one("Deployment", name).spec.selector.matchLabels).toEqual(of);
      expect(rendered.one("PodDisruptionBudget", name).spec.selector.matchLabels).toEqual(of);
    }
    expect(rendered.one("Service").spec.selector).toEqual(labels.get("sms-channel-operator-receiver"));
    expect(new Set([...labels.values()].map((each) => JSON.stringify(each))).size).toBe(2);
  });
});
