import type { WorkStream } from "../../api/index.ts";

/** Returns the name of the Secret with the WorkStream's Twilio credentials, in the WorkStream's namespace. */
export const secretOf = ({ spec }: WorkStream): string => spec.sms.twilio.credentialsSecretRef.name;
