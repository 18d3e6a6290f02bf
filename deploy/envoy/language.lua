-- Which language Accept-Language (RFC 9110) weighs more, the first of equals; chassis/call.py does the same. It runs only
-- where weights stand in the header: without them the order decides, and x-wasl-language is right already.

function envoy_on_request(handle)
  local headers = handle:headers()
  local best, most = "en", 0
  for part in (headers:get("accept-language"):lower() .. ","):gmatch("([^,]*),") do
    local language = part:match("^%s*(%a+)")
    local weight = tonumber(part:match("^[^;]*;%s*q=(%d%.?%d*)") or 1)
    if (language == "ar" or language == "en") and weight > most then
      best, most = language, weight
    end
  end
  headers:replace("x-wasl-language", best)
end
