import { expect, test } from "vitest";
import { envOf, filesOf, render } from "./helm.ts";

test("helm test sends a text to the Service with the release's own token, and reads the database with the receiver's URL", async () => {
  const rendered = await render({ receiver: { service: { port: 8000 } }, instance: "blue" });
  const { metadata, spec } = rendered.one("Pod");
  expect(metadata.annotations).toMatchObject({ "helm.sh/hook": "test" });
  const [container] = spec.containers;
  expect(container.args).toEqual(["test-text"]);
  expect(envOf(container)).toEqual({
    REFUSE_ROOT: "true",
    OPERATOR_NAMESPACE: "(metadata.namespace)",
    PUBLIC_URL: "https://sms.example.com",
    RECEIVER_URL: "http://sms-channel-operator-receiver.sms.svc:8000",
    TEST_ACCOUNT_SID: "blue-test/accountSid",
    TEST_AUTH_TOKEN: "blue-test/authToken",
    DATABASE_URL_FILE: "/etc/smschannel/database/url",
  });
  expect(filesOf(spec)).toEqual({ "/etc/smschannel/database/url": "sms-database/receiver-url" });
});

test("when tests are disabled there is no test pod and no test route", async () => {
  const rendered = await render({ tests: { enabled: false } });
  expect(rendered.names().filter((name) => name.endsWith("-test"))).toEqual([]);
  expect(rendered.env("Deployment", "-controller")).not.toHaveProperty("TEST_ROUTE");
});
