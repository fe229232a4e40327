import { systemClock } from "../clock.ts";
import { urlInFile } from "../inbox/database-url.ts";
import { migrate } from "../inbox/migrate.ts";
import { parseDatabaseUrl } from "../inbox/parse-database-url.ts";
import type { Role, RoleOf, Roles } from "../inbox/roles.ts";
import { createLog } from "../log.ts";
import {
  type Command,
  type Config,
  databaseUrlOf,
  duration,
  flag,
  type Setting,
  settings,
  text,
  UsageError,
} from "./config.ts";
import { listenForStop } from "./signals.ts";

const role = (process: string): Setting<string> => ({
  env: `${process.toUpperCase()}_ROLE`,
  help: `Database role of smschannel ${process}. The role gets exactly the rights that the process needs.`,
  parse: text,
});

const roleUrl = (process: string): Setting<RoleLogin> => ({
  env: `${process.toUpperCase()}_DATABASE_URL`,
  help: `Another way to name this role: the DATABASE_URL that smschannel ${process} will use. Of this URL only the user is read and, with --create-roles, the password. Replaces ${process.toUpperCase()}_ROLE and ${process.toUpperCase()}_ROLE_PASSWORD.`,
  secret: true,
  parse: login,
});

const roleUrlFile = (process: string): Setting<string> => ({
  env: `${process.toUpperCase()}_DATABASE_URL_FILE`,
  help: `File with the DATABASE_URL of smschannel ${process}, such as a mounted Secret, to use instead of ${process.toUpperCase()}_DATABASE_URL.`,
  parse: text,
});

const password = (process: string): Setting<string> => ({
  env: `${process.toUpperCase()}_ROLE_PASSWORD`,
  help: "Password that --create-roles sets for this role. A role without a password logs in with a certificate or a cloud identity.",
  secret: true,
  parse: text,
});

const own = {
  databaseUrl: {
    ...settings.databaseUrl,
    help: "URL of PostgreSQL with the role that owns the schema. This or DATABASE_URL_FILE is required.",
  },
  databaseUrlFile: settings.databaseUrlFile,
  databaseWait: {
    env: "DATABASE_WAIT",
    help: "How long to wait for a database that does not answer yet.",
    default: "5m",
    parse: duration,
  },
  receiverRole: role("receiver"),
  controllerRole: role("controller"),
  workRole: role("work"),
  deskRole: role("desk"),
  receiverLogin: roleUrl("receiver"),
  controllerLogin: roleUrl("controller"),
  workLogin: roleUrl("work"),
  deskLogin: roleUrl("desk"),
  receiverLoginFile: roleUrlFile("receiver"),
  controllerLoginFile: roleUrlFile("controller"),
  workLoginFile: roleUrlFile("work"),
  deskLoginFile: roleUrlFile("desk"),
  createRoles: {
    env: "CREATE_ROLES",
    help: "Create the named roles that do not exist yet, and set the given passwords.",
    default: "false",
    boolean: true,
    parse: flag,
  },
  receiverRolePassword: password("receiver"),
  controllerRolePassword: password("controller"),
  workRolePassword: password("work"),
  deskRolePassword: password("desk"),
  logLevel: settings.logLevel,
} as const;

/**
 * `smschannel migrate`: brings the database's schema up to date and sets the roles' rights. It is safe to run at any time, also while
 * another run is under way.
 */
export const migrateCommand: Command<typeof own> = {
  name: "migrate",
  summary: "bring the database's schema up to date; DATABASE_URL is the URL of the schema's owner",
  settings: own,
  async run(config) {
    const url = databaseUrlOf(config);
    if (url === undefined)
      throw new UsageError("DATABASE_URL or DATABASE_URL_FILE is required: the owner's URL");
    const log = createLog({ level: config.logLevel, process: "migrate" });
    const stop = listenForStop();
    try {
      const options = { url, roles: await rolesOf(config), waitMs: config.databaseWait };
      await migrate({ ...options, log, clock: systemClock }, stop.signal);
    } catch (error) {
      // The main program prints a wrong use of this command and exits with 2, as for every other command.
      if (error instanceof UsageError) throw error;
      log.fatal({ err: error }, "schema not migrated");
      process.exitCode = 1;
    } finally {
      stop.end();
    }
  },
};

/** The database roles that the settings name. A role that is named by no setting gets no rights. */
async function rolesOf(config: Config<typeof own>): Promise<Roles> {
  const named = {
    receiver: roleOf(config.receiverRole, config.receiverRolePassword, await loginOf("receiver", config)),
    controller: roleOf(
      config.controllerRole,
      config.controllerRolePassword,
      await loginOf("controller", config),
    ),
    work: roleOf(config.workRole, config.workRolePassword, await loginOf("work", config)),
    desk: roleOf(config.deskRole, config.deskRolePassword, await loginOf("desk", config)),
  };
  const given = Object.entries(named).filter(([, role]) => role !== undefined);
  return { ...(Object.fromEntries(given) as Roles), create: config.createRoles };
}

/** The database role of a process: the user in its database URL, which a setting or a file holds. Undefined when neither is set. */
async function loginOf(of: RoleOf, config: Config<typeof own>): Promise<RoleLogin | undefined> {
  const [given, file] = [config[`${of}Login`], config[`${of}LoginFile`]];
  if (file === undefined) return given;
  const name = `${of.toUpperCase()}_DATABASE_URL`;
  if (given !== undefined) throw new UsageError(`${name} and ${name}_FILE are both set: choose one`);
  return login(await urlInFile(file)());
}

function roleOf(
  ownName: string | undefined,
  ownPassword: string | undefined,
  login: RoleLogin | undefined,
): Role | undefined {
  // A setting for the name or the password wins over the name or password in the URL.
  const name = ownName ?? login?.name;
  const password = ownPassword ?? login?.password;
  if (name === undefined) return undefined;
  return password === undefined ? { name } : { name, password };
}

interface RoleLogin {
  name: string;
  password: string | undefined;
}

/** Reads a database role and its password from a database URL. */
function login(text: string): RoleLogin {
  // PGUSER and PGPASSWORD of this process are ignored here, because they belong to the owner's role.
  const { user, password } = parseDatabaseUrl(text, {});
  if (user === undefined || user === "")
    throw new Error("expected a URL with a user: postgres://user:password@host/database");
  return { name: user, password: password === "" ? undefined : password };
}
