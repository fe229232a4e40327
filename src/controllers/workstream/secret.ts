import type { WorkStream } from "../../api/index.ts";

/** Name of the Secret with the stream's Twilio credentials, in the stream's namespace. */
export const secretOf = ({ spec }: WorkStream): string => spec.sms.twilio.credentialsSecretRef.name;
