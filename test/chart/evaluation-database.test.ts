import { expect, test } from "vitest";
import { filesOf, type Manifest, type Rendered, render } from "./helm.ts";

const on = { database: { existingSecret: "" }, evaluationDatabase: { enabled: true } };
const dataOf = (secret: Manifest): Record<string, string> =>
  Object.fromEntries(
    Object.entries(secret.data as Record<string, string>).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString(),
    ]),
  );
const postgres = (rendered: Rendered) => rendered.one("StatefulSet").spec.template.spec;

test("the evaluation database is installed only when a value enables it", async () => {
  const rendered = await render();
  expect(rendered.of("StatefulSet")).toEqual([]);
  expect(rendered.of("Secret")).toEqual([]);
});

test("the evaluation database gets a URL for each role, each with a password of its own", async () => {
  const rendered = await render(on);
  const data = dataOf(rendered.one("Secret"));
  expect(Object.keys(data).sort()).toEqual(["controller-url", "owner-url", "password", "receiver-url"]);
  const host = `${rendered.one("StatefulSet").metadata.name}:5432`;
  const urls = ["owner-url", "receiver-url", "controller-url"].map((key) => new URL(data[key]!));
  expect(urls.map(({ username, host, pathname }) => [username, host, pathname])).toEqual([
    ["smschannel", host, "/smschannel"],
    ["smschannel_receiver", host, "/smschannel"],
    ["smschannel_controller", host, "/smschannel"],
  ]);
  expect(urls[0]!.password).toBe(data.password);
  expect(new Set(urls.map(({ password }) => password)).size).toBe(3);
  for (const { password } of urls) expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
});

test("the processes use the evaluation database, and the migrations create its roles", async () => {
  const rendered = await render(on);
  const secret = rendered.one("Secret").metadata.name;
  expect(rendered.files("-receiver")).toEqual({ "/etc/smschannel/database/url": `${secret}/receiver-url` });
  expect(rendered.files("-controller")).toEqual({
    "/etc/smschannel/database/url": `${secret}/controller-url`,
  });
  expect(rendered.env("Job", rendered.migrations())).toMatchObject({
    DATABASE_URL_FILE: "/etc/smschannel/database/url",
    CREATE_ROLES: "true",
  });
  expect(filesOf(rendered.one("Job", rendered.migrations()).spec.template.spec)).toMatchObject({
    "/etc/smschannel/database/url": `${secret}/owner-url`,
  });
  expect(postgres(rendered).containers[0].env).toContainEqual({
    name: "POSTGRES_PASSWORD",
    valueFrom: { secretKeyRef: { name: secret, key: "password" } },
  });
});

test("with an existing Secret for the evaluation database, every rendering is the same, as Argo CD needs it", async () => {
  const values = { database: { existingSecret: "mine" }, evaluationDatabase: { enabled: true } };
  const [one, two] = await Promise.all([render(values), render(values)]);
  expect(one.of("Secret")).toEqual([]);
  expect(one.text).toBe(two.text);
  expect(postgres(one).containers[0].env[2].valueFrom.secretKeyRef).toEqual({
    name: "mine",
    key: "password",
  });
});

test("only the Secret contains the passwords, and no Job's name depends on them", async () => {
  const [one, two] = await Promise.all([render(on), render(on)]);
  const { password } = dataOf(one.one("Secret"));
  const others = one.all.filter(({ kind }) => kind !== "Secret");
  expect(JSON.stringify(others)).not.toContain(password);
  expect(one.migrations()).toBe(two.migrations());
});

test("the evaluation database starts before the migrations, runs in a restricted pod, and its volume is deleted with the release", async () => {
  const rendered = await render({
    ...on,
    evaluationDatabase: {
      enabled: true,
      userId: 70,
      image: { repository: "r.example.com/pg", tag: "17" },
      storage: { size: "1Gi", className: "fast" },
    },
    priorityClassName: "high",
    nodeSelector: { a: "b" },
    tolerations: [{ key: "c" }],
    imagePullSecrets: [{ name: "d" }],
  });
  const { metadata, spec } = rendered.one("StatefulSet");
  expect(metadata.annotations).toEqual({ "argocd.argoproj.io/sync-wave": "-2" });
  expect(spec.persistentVolumeClaimRetentionPolicy.whenDeleted).toBe("Delete");
  expect(spec.volumeClaimTemplates[0].spec).toEqual({
    accessModes: ["ReadWriteOnce"],
    storageClassName: "fast",
    resources: { requests: { storage: "1Gi" } },
  });
  expect(spec.template.spec).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
      runAsUser: 70,
      runAsGroup: 70,
      fsGroup: 70,
    },
    priorityClassName: "high",
    nodeSelector: { a: "b" },
    tolerations: [{ key: "c" }],
    imagePullSecrets: [{ name: "d" }],
  });
  const [container] = spec.template.spec.containers;
  expect(container.image).toBe("r.example.com/pg:17");
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
});
