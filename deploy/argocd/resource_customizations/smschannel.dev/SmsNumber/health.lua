-- Health of the kinds of smschannel.dev. Their status follows kstatus: observedGeneration is written together with the
-- conditions and names the generation that they describe, Reconciling and Stalled are there only while they are True and
-- never together, and Ready is the verdict. Nothing but the language itself, ipairs, tostring and type is used: without
-- useOpenLibs there is no string library. The script never fails and always gives a text, whatever the object looks like.

local function tableOf(value)
  if type(value) == "table" then
    return value
  end
  return {}
end

local metadata = tableOf(obj.metadata)
local spec = tableOf(obj.spec)
local status = tableOf(obj.status)
local conditions = {}
for _, condition in ipairs(tableOf(status.conditions)) do
  condition = tableOf(condition)
  if condition.type ~= nil then
    conditions[condition.type] = condition
  end
end
local ready = conditions.Ready

-- What a condition says, as "Reason: message".
local function textOf(condition)
  local text = condition.type
  if condition.reason ~= nil and condition.reason ~= "" then
    text = condition.reason
  end
  if condition.message ~= nil and condition.message ~= "" then
    return tostring(text) .. ": " .. tostring(condition.message)
  end
  return tostring(text)
end

local function is(code, message)
  return { status = code, message = message }
end

-- What is being deleted is Progressing. For our own finalizer this says what it waits for, as deletionMessage, which Argo CD
-- 3.6 and newer show in place of their own text; of other finalizers Argo CD gives the names by itself.
if metadata.deletionTimestamp ~= nil then
  local hs = is("Progressing", "Pending deletion")
  for _, finalizer in ipairs(tableOf(metadata.finalizers)) do
    if finalizer == "smschannel.dev/webhook" then
      hs.message = "Pending deletion: the operator puts the webhook at Twilio back first"
      if conditions.Reconciling ~= nil then
        hs.message = hs.message .. "; " .. textOf(conditions.Reconciling)
      end
      hs.deletionMessage = hs.message
    end
  end
  return hs
end

if ready == nil then
  return is("Progressing", "Waiting for the operator")
end
if status.observedGeneration ~= metadata.generation then
  return is("Progressing", "Waiting for the operator to see the newest change")
end
if conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  return is("Degraded", textOf(conditions.Stalled))
end
if conditions.Reconciling ~= nil and conditions.Reconciling.status == "True" then
  return is("Progressing", textOf(conditions.Reconciling))
end
if ready.status == "True" then
  -- An observed object that works is Healthy: that nothing is changed for it is what it was made for.
  if spec.suspend == true then
    return is("Suspended", "Suspended: nothing is changed at Twilio, texts arrive as before")
  end
  return is("Healthy", textOf(ready))
end
-- Told to leave things alone, or left alone: nobody works on it, and nothing is wrong with the object.
if ready.reason == "Suspended" or ready.reason == "Observing" or ready.reason == "OperatorUninstalled" then
  return is("Suspended", textOf(ready))
end
if ready.status == "Unknown" then
  return is("Progressing", textOf(ready))
end
return is("Degraded", textOf(ready))
