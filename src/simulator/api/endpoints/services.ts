import type { SimulatedService } from "../../state/resources.ts";
import { iso8601 } from "../dates.ts";
import { badRequest, notFound } from "../errors.ts";
import { type FormFields, field, readForm } from "../form.ts";
import {
  type ApiCall,
  type ApiOperation,
  created,
  noContent,
  ok,
  type SimulatorContext,
} from "../operation.ts";
import { pageV1, twilioUrl } from "../paging.ts";

const permission = "/twilio/messaging/services";

export const serviceOperations: ApiOperation[] = [
  {
    name: "ListService",
    product: "messaging",
    method: "GET",
    path: "/v1/Services",
    permission: `${permission}/list`,
    handle: (call) =>
      pageV1(
        call,
        { product: "messaging", key: "services" },
        call.region.services.ofAccount(call.account.sid).reverse(),
        (row) => renderService(call, row),
      ),
  },
  {
    name: "CreateService",
    product: "messaging",
    method: "POST",
    path: "/v1/Services",
    permission: `${permission}/create`,
    handle: (call, context) => created(renderService(call, create(call, context))),
  },
  {
    name: "FetchService",
    product: "messaging",
    method: "GET",
    path: "/v1/Services/{Sid}",
    permission: `${permission}/read`,
    handle: (call) => ok(renderService(call, findService(call, call.params.Sid!))),
  },
  {
    name: "UpdateService",
    product: "messaging",
    method: "POST",
    path: "/v1/Services/{Sid}",
    permission: `${permission}/update`,
    handle: (call, context) => ok(renderService(call, update(call, context))),
  },
  {
    name: "DeleteService",
    product: "messaging",
    method: "DELETE",
    path: "/v1/Services/{Sid}",
    permission: `${permission}/delete`,
    handle(call) {
      call.region.removeService(findService(call, call.params.Sid!).sid);
      return noContent;
    },
  },
];

/** Returns the Messaging Service. Throws 404 when the calling account has no service with this SID. */
export function findService(call: ApiCall, sid: string): SimulatedService {
  const service = call.region.services.of(call.account.sid, sid);
  if (service === undefined) throw notFound(call.path);
  return service;
}

const fields: FormFields<SimulatedService & Ignored> = {
  FriendlyName: field.text("friendlyName", 64),
  InboundRequestUrl: field.url("inboundRequestUrl"),
  InboundMethod: field.method("inboundMethod"),
  FallbackUrl: field.url("fallbackUrl"),
  FallbackMethod: field.method("fallbackMethod"),
  StatusCallback: field.url("statusCallback"),
  UseInboundWebhookOnNumber: field.boolean("useInboundWebhookOnNumber"),
  StickySender: field.boolean("stickySender"),
  ValidityPeriod: { kind: "integer", min: 1, max: 36_000, sets: "validityPeriod" },
  Usecase: field.text("usecase"),
  MmsConverter: field.boolean("ignored"),
  SmartEncoding: field.boolean("ignored"),
  ScanMessageContent: field.text("ignored"),
  FallbackToLongCode: field.boolean("ignored"),
  AreaCodeGeomatch: field.boolean("ignored"),
  SynchronousValidation: field.boolean("ignored"),
};

/** A dummy property for settings that Twilio knows and the simulator ignores. */
interface Ignored {
  ignored: unknown;
}

/** The changes that a form asks for, without the settings that the simulator ignores. */
function read(call: ApiCall, context: SimulatorContext): Partial<SimulatedService> {
  const { ignored: _, ...changes } = readForm(call, context, fields);
  // Twilio answers null for an unset URL of a service, but "" for an unset URL of a number.
  for (const name of ["inboundRequestUrl", "fallbackUrl", "statusCallback"] as const)
    if (changes[name] === "") changes[name] = null;
  return changes;
}

/** Creates a Messaging Service. FriendlyName is the only field that Twilio requires. */
function create(call: ApiCall, context: SimulatorContext): SimulatedService {
  if (!call.form.get("FriendlyName")) throw badRequest(20001, "FriendlyName is required");
  return call.region.addService({ ...read(call, context), accountSid: call.account.sid });
}

function update(call: ApiCall, context: SimulatorContext): SimulatedService {
  const service = findService(call, call.params.Sid!);
  return Object.assign(service, read(call, context), { dateUpdated: context.clock.now() });
}

/** A service as Twilio writes it. The settings that the simulator ignores have fixed values. */
function renderService(call: ApiCall, service: SimulatedService): Record<string, unknown> {
  const url = twilioUrl(call, "messaging", `/v1/Services/${service.sid}`);
  return {
    account_sid: service.accountSid,
    friendly_name: service.friendlyName,
    sid: service.sid,
    date_created: iso8601(service.dateCreated),
    date_updated: iso8601(service.dateUpdated),
    sticky_sender: service.stickySender,
    mms_converter: true,
    smart_encoding: true,
    fallback_to_long_code: true,
    area_code_geomatch: true,
    validity_period: service.validityPeriod,
    scan_message_content: "inherit",
    synchronous_validation: false,
    inbound_request_url: service.inboundRequestUrl,
    inbound_method: service.inboundMethod,
    fallback_url: service.fallbackUrl,
    fallback_method: service.fallbackMethod,
    status_callback: service.statusCallback,
    usecase: service.usecase,
    us_app_to_person_registered: service.usAppToPersonRegistered,
    use_inbound_webhook_on_number: service.useInboundWebhookOnNumber,
    links: {
      phone_numbers: `${url}/PhoneNumbers`,
      short_codes: `${url}/ShortCodes`,
      alpha_senders: `${url}/AlphaSenders`,
      messages: `${url}/Messages`,
      us_app_to_person: `${url}/Compliance/Usa2p`,
      us_app_to_person_usecases: `${url}/Compliance/Usa2p/Usecases`,
    },
    url,
  };
}
