import { randomBytes } from "node:crypto";
import type { KubeClient } from "../../src/kube/client/client.ts";
import type { KubeObject, ResourceType } from "../../src/kube/resource.ts";

export interface RoleRule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

const group = "rbac.authorization.k8s.io";
const rbac = (kind: string, plural: string): ResourceType => ({
  group,
  version: "v1",
  kind,
  plural,
  namespaced: true,
});
const roles = rbac("Role", "roles");
const bindings = rbac("RoleBinding", "rolebindings");

/** Grants a user, such as `system:serviceaccount:ns:name`, rights in a namespace. The returned function revokes them. */
export async function grant(
  admin: KubeClient,
  user: string,
  namespace: string,
  rules: readonly RoleRule[],
): Promise<() => Promise<void>> {
  const metadata = { namespace, name: `test-${randomBytes(4).toString("hex")}` };
  const make = (type: ResourceType, fields: object) =>
    admin.create(type, { apiVersion: `${group}/v1`, kind: type.kind, metadata, ...fields } as KubeObject);
  await make(roles, { rules });
  await make(bindings, {
    roleRef: { apiGroup: group, kind: "Role", name: metadata.name },
    subjects: [{ apiGroup: group, kind: "User", name: user }],
  });
  return async () => {
    await admin.delete(bindings, metadata);
    await admin.delete(roles, metadata);
  };
}

const READ = ["get", "list", "watch"];
const OURS = "smschannel.dev";

/** The rights that the controller needs in its own namespace. */
export const inOperatorNamespace: RoleRule[] = [
  { apiGroups: [""], resources: ["secrets"], verbs: [...READ, "create", "update", "patch", "delete"] },
];

/** The rights that the controller needs in a namespace of users, by purpose. */
export const inUsersNamespace = {
  secrets: [{ apiGroups: [""], resources: ["secrets"], verbs: READ }],
  kind: (plural: string): RoleRule[] => [
    { apiGroups: [OURS], resources: [plural, `${plural}/status`], verbs: [...READ, "patch"] },
  ],
  rest: [
    { apiGroups: [""], resources: ["namespaces"], verbs: ["get"] },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  ],
} satisfies Record<string, RoleRule[] | ((plural: string) => RoleRule[])>;
