import pg from "pg";
import type { Log } from "../log.ts";

/** The rights that each database role gets in the schema. The keys are the processes that log in with the roles. */
const RIGHTS = {
  // The receiver may only insert: an attacker who breaks into this process, which faces the internet, cannot read a single text. It may
  // insert only into the columns that it fills: a text that is marked as done, or that has an id of the attacker's choice, might never be
  // answered.
  receiver: [
    `grant insert (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, our_number, customer, query, body)
       on smschannel.inbox to ROLE`,
    `grant insert (replica, namespace_uid, stream, account_sid, accepted, last_refused_at, refused_reason)
       on smschannel.route_activity to ROLE`,
    "grant execute on function smschannel.missing_texts(text[], text[], text[]) to ROLE",
  ],
  // The controller reads the evidence of the receivers and deletes evidence that is too old to prove anything.
  controller: ["grant select, delete on smschannel.route_activity to ROLE"],
  work: [
    "grant select, insert, update, delete on smschannel.inbox to ROLE",
    "grant select on smschannel.route_activity to ROLE",
  ],
  // The process `desk` shows conversations and needs nothing from the inbox.
  desk: [],
} as const;

const SEE =
  "grant usage on schema smschannel to ROLE; grant execute on function smschannel.schema_version() to ROLE";

/** The processes that have a database role. */
export type RoleOf = keyof typeof RIGHTS;
/** A database role to give rights to. */
export interface Role {
  name: string;
  /**
   * The password, which is set when the role is created and again when the password changes. A role without a password logs in with a
   * certificate or a cloud identity.
   */
  password?: string;
}
/** The roles that get rights. The key of each role is the process that logs in with it. */
export interface Roles {
  receiver?: Role;
  controller?: Role;
  work?: Role;
  desk?: Role;
  /** Whether to create roles that do not exist and to set the given passwords. Otherwise a missing role is an error. */
  create?: boolean;
}

/**
 * Gives each named role exactly the rights that RIGHTS lists for its processes: it first takes away all rights that the role has in this
 * schema. The owner of the schema keeps its rights, since it could not migrate again without them.
 */
export async function grantRoles(client: pg.ClientBase, roles: Roles, log: Log): Promise<void> {
  const owner = await ownerOfSchema(client);
  const named = (Object.keys(RIGHTS) as RoleOf[]).flatMap((of) => {
    const role = roles[of];
    if (role === undefined) return [];
    if (role.name === owner) {
      log.warn(
        { role: role.name, for: of },
        "this role owns the schema and can do everything in it; give the process a role of its own",
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
  // Rights are granted after all revokes: one role may serve several processes, and then needs the rights of all of them.
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

/** Since PostgreSQL 16, a role with CREATEROLE may change only roles that it created itself. */
const notOurs = (name: string, owner: string) =>
  `the role "${name}" was created by another role, and "${owner}" may not set its password; either a superuser runs ` +
  `grant ${pg.escapeIdentifier(name)} to ${pg.escapeIdentifier(owner)} with admin option ` +
  `(and gives "${owner}" CREATEROLE), or leave its password as it is: run without --create-roles (CREATE_ROLES, the chart's database.createRoles)`;

const mayNotCreate = (name: string, owner: string) =>
  `"${owner}" may not create the role "${name}"; either a superuser runs ` +
  `alter role ${pg.escapeIdentifier(owner)} createrole, or create "${name}" yourself and run without --create-roles`;

/** The role that the client logged in as. `select current_user` would fail here, because the transaction has already failed. */
const ownerOf = (client: pg.ClientBase) => (client as pg.Client).user ?? "the owner";
