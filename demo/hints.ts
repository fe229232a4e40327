import { only, type Scene } from "./scene.ts";
import { OPERATOR_NAMESPACE } from "./stage.ts";

/** What to try while the demo stays up: commands to paste into another terminal. */
export function hints(scene: Scene): string {
  const { stage, database, operator, twilioUrl, credentials, number, before } = scene;
  const { accountSid, authToken } = credentials;
  const { name, namespace } = only(scene.examples, "SmsNumber").metadata;
  const kubectl = stage.kubectl ?? "kubectl";
  const [controllerLog, receiverLog] = operator.logFiles;
  const text = JSON.stringify({ from: "+12065550143", to: `+${number}`, body: "Are you open?" });
  const resource = `${twilioUrl}/2010-04-01/Accounts/${accountSid}/IncomingPhoneNumbers/${before.sid}.json`;
  return `
Everything stays up until Ctrl-C. In another terminal:

  export KUBECONFIG=${stage.kubeconfig}
  alias kubectl=${kubectl}
  kubectl get workstreams,smsnumbers,operatinghours -A
  kubectl describe smsnumber ${name} -n ${namespace}

Send a text, and look at what was stored:

  curl -s ${twilioUrl}/_simulator/inbound -d '${text}'
  psql '${database.ownerUrl}' -c "select received_at, kind, stream, customer, convert_from(body, 'UTF8') from smschannel.inbox"

Change the number's webhook at Twilio, and watch the operator set it again within 30 s and report it with an event:

  curl -s -u '${accountSid}:${authToken}' ${resource} -d SmsUrl=https://elsewhere.example.com/sms
  kubectl get events -n ${namespace} --watch

Delete the SmsNumber, and see that the number at Twilio has its former webhook again:

  kubectl delete smsnumber ${name} -n ${namespace}
  curl -s -u '${accountSid}:${authToken}' ${resource}

Break something: edit the token in the Secret, or let Twilio fail for a minute, and watch the conditions:

  kubectl get secrets -n ${namespace}; kubectl get secrets -n ${OPERATOR_NAMESPACE}
  curl -s ${twilioUrl}/_simulator/faults -d '[{"kind":"status","status":500,"durationMs":60000}]'
  kubectl get smsnumbers -A --watch

Logs:     tail -f ${controllerLog} ${receiverLog}
Metrics:  http://127.0.0.1:${operator.metricsPorts.controller}/metrics  http://127.0.0.1:${operator.metricsPorts.receiver}/metrics
`;
}
