import { Failure } from "../../errors.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, CredentialCheck, Twilio } from "../../twilio/twilio.ts";

/**
 * What Twilio thinks of credentials, asked once for each set of them, however many WorkStreams share it. A good answer stands
 * until some call is refused; a bad one until the next resync or change.
 */
export class CredentialChecks {
  readonly #twilio: Twilio;
  readonly #answers = new Map<string, Promise<CredentialCheck>>();
  readonly #failed = new Set<string>();

  constructor(twilio: Twilio) {
    this.#twilio = twilio;
  }

  /** Throws the Failure that Twilio's answer means. `again` asks anew after a failure. */
  async check(credentials: Credentials, options: CallOptions & { again: boolean }): Promise<CredentialCheck> {
    const account = this.#twilio.account(credentials);
    if (options.again && this.#failed.has(account.fingerprint)) this.forget(account.fingerprint);
    const known = this.#answers.get(account.fingerprint);
    if (known !== undefined) return await known;
    const answer = account.check(options);
    this.#answers.set(account.fingerprint, answer);
    answer.catch((error: unknown) => {
      if (this.#answers.get(account.fingerprint) !== answer) return;
      // Only a verdict is worth keeping: an outage is asked about again at the next try.
      if (error instanceof Failure && error.class === "stalled") this.#failed.add(account.fingerprint);
      else this.#answers.delete(account.fingerprint);
    });
    return await answer;
  }

  /** Some call with these credentials was refused: what was found before may no longer hold. */
  forget(fingerprint: string) {
    this.#failed.delete(fingerprint);
    this.#answers.delete(fingerprint);
  }

  clear() {
    this.#failed.clear();
    this.#answers.clear();
  }
}
