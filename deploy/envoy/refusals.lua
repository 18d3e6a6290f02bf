-- The transcoder says what is wrong with a request in an English sentence of its own. This makes the services' Status of
-- it: the field, the reason, the text in the caller's language. The sentences that are known, VIOLATIONS, and the texts
-- for the whole request, INVALID, are put above by render.py (from violations.toml).

local STATUS = '{"code":3,"message":"%s","details":['
  .. '{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_ARGUMENT","domain":"wasl.org"},'
  .. '{"@type":"type.googleapis.com/google.rpc.BadRequest",'
  .. '"fieldViolations":[{"field":"%s","reason":"%s","description":"%s"}]},'
  .. '{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"%s","message":"%s"},'
  .. '{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"%s"}]}'

-- The first violation whose pattern fits, and the field that the pattern captures ("application" .. "." .. "person"; a
-- field of the body itself has nothing before it).
local function violation_of(sentence)
  for _, violation in ipairs(VIOLATIONS) do
    local found, _, field, inner = sentence:find(violation.pattern)
    if found then
      field = violation.field and field or ""
      return violation, inner and (field == "" and inner or field .. "." .. inner) or field
    end
  end
end

function envoy_on_response(handle)
  local body = handle:body()
  local headers = handle:headers()
  headers:remove("x-wasl-refusal")
  local language, id, sentence = body:getBytes(0, body:length()):match("^(%S+) (%S+) (.*)$")
  local violation, field = violation_of(sentence)
  local whole = violation.field and INVALID or violation
  local text = STATUS:format(
    whole.en, field, violation.reason, violation[language], language, whole[language], id)
  body:setBytes(text)
  headers:replace("content-length", tostring(#text))
end
