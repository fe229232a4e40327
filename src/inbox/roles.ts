import pg from "pg";
import type { Log } from "../log.ts";

/** Who may do what in the schema, by the process that logs in with the role. */
const RIGHTS = {
  // Insert and nothing else: whoever breaks into the process that faces the internet cannot read a single text. And only the
  // columns that the process fills: a text that says it is done, or has an id of its own choice, would never be answered.
  receiver: [
    `grant insert (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, our_number, customer, query, body)
       on smschannel.inbox to ROLE`,
    `grant insert (replica, namespace_uid, stream, account_sid, accepted, last_refused_at, refused_reason)
       on smschannel.route_activity to ROLE`,
    "grant execute on function smschannel.missing_texts(text[], text[], text[]) to ROLE",
  ],
  // Delete, because the one who reads the activity also throws away what is too old to say anything.
  controller: ["grant select, delete on smschannel.route_activity to ROLE"],
  work: [
    "grant select, insert, update, delete on smschannel.inbox to ROLE",
    "grant select on smschannel.route_activity to ROLE",
  ],
  // The desk shows conversations; the inbox is not its business.
  desk: [],
} as const;

const SEE =
  "grant usage on schema smschannel to ROLE; grant execute on function smschannel.schema_version() to ROLE";

export type RoleOf = keyof typeof RIGHTS;
export interface Role {
  name: string;
  /** For a role that is created, or whose password was changed. Without one it can log in by other means (certificate, cloud identity) or not at all. */
  password?: string;
}
export interface Roles {
  receiver?: Role;
  controller?: Role;
  work?: Role;
  desk?: Role;
  /** Create the roles that do not exist, and set the given passwords; else a missing one is an error. */
  create?: boolean;
}

/**
 * Sets each named role's rights to exactly those above: what it had before on this schema is taken away first. The schema's
 * owner is let be: without its own rights it could not migrate again.
 */
export async function grantRoles(client: pg.ClientBase, roles: Roles, log: Log): Promise<void> {
  const owner = await ownerOfSchema(client);
  const named = (Object.keys(RIGHTS) as RoleOf[]).flatMap((of) => {
    const role = roles[of];
    if (role === undefined) return [];
    if (role.name === owner) {
      log.warn(
        { role: role.name, for: of },
        "this role owns the schema and may do everything there; give the process a role of its own",
      );
      return [];
    }
    return [{ of, role, name: pg.escapeIdentifier(role.name) }];
  });
  for (const { role, name } of named) {
    await ensureRole(client, role, roles.create === true, log);
    for (const on of ["all tables in schema", "all sequences in schema", "all functions in schema", "schema"])
      await client.query(`revoke all on ${on} smschannel from ${name}`);
  }
  // After all revokes: one role may stand for several processes, and then has the rights of all of them.
  for (const { of, role, name } of named) {
    for (const statement of [SEE, ...RIGHTS[of]]) await client.query(statement.replaceAll("ROLE", name));
    log.info({ role: role.name, for: of }, "rights set");
  }
}

async function ownerOfSchema(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query<{ owner: string }>(
    "select pg_get_userbyid(nspowner) as owner from pg_namespace where nspname = 'smschannel'",
  );
  return rows[0]?.owner;
}

async function ensureRole(client: pg.ClientBase, { name, password }: Role, create: boolean, log: Log) {
  const { rowCount } = await client.query("select 1 from pg_roles where rolname = $1", [name]);
  const exists = rowCount === 1;
  if (!exists && !create)
    throw new Error(`the role "${name}" does not exist; create it, or run with --create-roles`);
  if (exists && !(create && password !== undefined)) return;
  const secret = password === undefined ? "" : ` password ${pg.escapeLiteral(password)}`;
  try {
    await client.query(`${exists ? "alter" : "create"} role ${pg.escapeIdentifier(name)} login${secret}`);
  } catch (error) {
    if ((error as { code?: string }).code !== "42501") throw error;
    throw new Error(exists ? notOurs(name, ownerOf(client)) : mayNotCreate(name, ownerOf(client)), {
      cause: error,
    });
  }
  log.info(
    { role: name, withPassword: password !== undefined },
    exists ? "role's password set" : "role created",
  );
}

/** From PostgreSQL 16 on CREATEROLE alone does not let anybody change a role that somebody else made. */
const notOurs = (name: string, owner: string) =>
  `the role "${name}" was made by somebody else, and "${owner}" may not set its password; either a superuser runs ` +
  `grant ${pg.escapeIdentifier(name)} to ${pg.escapeIdentifier(owner)} with admin option ` +
  `(and gives "${owner}" CREATEROLE), or leave its password as it is: run without --create-roles (CREATE_ROLES, the chart's database.createRoles)`;

const mayNotCreate = (name: string, owner: string) =>
  `"${owner}" may not create the role "${name}"; either a superuser runs ` +
  `alter role ${pg.escapeIdentifier(owner)} createrole, or create "${name}" yourself and run without --create-roles`;

/** The transaction takes no more questions after an error: as whom the client logged in. */
const ownerOf = (client: pg.ClientBase) => (client as pg.Client).user ?? "the owner";
