import { expect, test } from "vitest";
import { envOf, render } from "./helm.ts";

const job = async (values: object) => (await render(values)).one("Job", "-release");

test("the uninstall Job runs before anything is removed, with Helm and with Argo CD", async () => {
  const { metadata, spec } = await job({ watchNamespaces: ["a"], uninstall: { timeout: "30s" } });
  expect(metadata.annotations).toEqual({
    "helm.sh/hook": "pre-delete",
    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    "argocd.argoproj.io/hook": "PreDelete",
    "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation,HookSucceeded",
  });
  const [container] = spec.template.spec.containers;
  expect(container.args).toEqual(["release"]);
  expect(envOf(container)).toEqual({
    REFUSE_ROOT: "true",
    OPERATOR_NAMESPACE: "(metadata.namespace)",
    INSTANCE: "$(OPERATOR_NAMESPACE)/sms-channel-operator",
    ROUTE_SHARDS: "4",
    PUBLIC_URL: "https://sms.example.com",
    WATCH_NAMESPACES: "a",
    DELETE_TIMEOUT: "30s",
  });
});

test("the uninstall Job gets the controller's settings for Twilio, proxy and certificates", async () => {
  const { spec } = await job({
    twilio: { baseUrl: "http://twilio:8080" },
    proxy: { https: "http://proxy:1" },
    trustedCertificates: { configMap: "ca" },
  });
  expect(envOf(spec.template.spec.containers[0])).toMatchObject({
    TWILIO_BASE_URL: "http://twilio:8080",
    HTTPS_PROXY: "http://proxy:1",
    NODE_EXTRA_CA_CERTS: "/etc/smschannel/trust/ca.crt",
  });
});

test("the value uninstall.webhooks decides whether all webhooks are restored or retained", async () => {
  const args = async (webhooks: string) =>
    (await job({ uninstall: { webhooks } })).spec.template.spec.containers[0].args;
  expect(await args("Restore")).toEqual(["release", "--restore"]);
  expect(await args("Retain")).toEqual(["release", "--retain"]);
});

test("the uninstall Job can be left out", async () => {
  const rendered = await render({ uninstall: { webhooks: "Off" } });
  expect(rendered.names().filter((name) => name.endsWith("-release"))).toEqual([]);
  expect(rendered.text).not.toContain("pre-delete");
});

test("the uninstall Job is not part of the plain manifests", async () => {
  const rendered = await render({}, { flags: ["--no-hooks"] });
  expect(rendered.of("Job").map(({ metadata }) => metadata.name)).toEqual([
    expect.stringContaining("-migrations-"),
  ]);
});
