-- What the transcoder does not tell, or lets pass, is made known here:
-- * it drops unknown JSON fields without a word, so the names that a body holds are listed in x-wasl-fields
--   ("person.display_name.ar,statement"), and the service, which knows the messages, refuses what it does not know;
-- * it refuses text that is not UTF-8 without naming a field, so the first is listed as "~statement.ar" and replaced;
-- * it refuses a list where one value belongs without naming the field, so refusals.lua is told which hold lists;
-- * it compares an id with that of the address under the contract's spelling only, so a body's "…Id" gets that;
-- * it lets a query replace what the body or the path says, so its names are listed as "?statement".
-- Of a body's values it reads no more, so it needs no JSON parser: strings, brackets, colons, commas. What the transcoder
-- is too lenient with is no JSON here.

local MOST_BYTES, MOST_LEVELS = 4096, 32  -- of all names together; of objects and arrays inside each other

-- Every sequence that is UTF-8 (RFC 3629), as patterns; what they leave over is not.
local SEQUENCES = {
  "[\194-\223][\128-\191]",
  "\224[\160-\191][\128-\191]",
  "[\225-\236\238\239][\128-\191][\128-\191]",
  "\237[\128-\159][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]",
  "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]",
}

local function name_of(path, depth)
  return (table.concat(path, ".", 1, depth):gsub("%.%[%]", ""))  -- an array adds no name
end

local function in_snake_case(name)
  return (name:gsub("%u", function(letter) return "_" .. letter:lower() end))
end

local function is_utf8(text)
  if text:find("[\128-\255]") then
    for _, sequence in ipairs(SEQUENCES) do
      text = text:gsub(sequence, ".")
    end
  end
  return not text:find("[\128-\255]")
end

-- The names; "!", which is no name, when there are more than fit; nil when the text is no JSON. `is_clean`: all is UTF-8.
-- And those of them that hold a list, in the contract's spelling.
local function names_in(text, is_clean)
  local names, seen, size, lists = {}, {}, 0, {}
  local depth, is_object, path = 0, {}, {}  -- the open brackets, and the name under which each stands
  local at, last = 1, nil                   -- last: the string that may turn out to be a name
  local is_value = false                    -- of an object's member: is the next string one?
  while true do
    local found = text:find("[\"'{}%[%],:]", at)
    if not found then
      break
    end
    local mark = text:sub(found, found)
    at = found + 1
    if mark == '"' then
      local first = at
      repeat  -- to the quotation mark that ends it
        local stop = text:find('["\\]', at)
        if not stop then
          return nil
        end
        local escape = text:sub(stop, stop) == "\\"
        if escape and not text:find("^[\"\\/bfnrtu]", stop + 1) then
          return nil  -- the transcoder would drop the backslash
        end
        at = stop + (escape and 2 or 1)
        last = text:sub(first, stop - 1)
      until not escape
      if last:find("%c") then
        return nil  -- RFC 8259, 7: escaped or not at all
      end
      if not is_clean and (is_value or not is_object[depth]) and not is_utf8(last) then
        names[#names + 1] = "~" .. name_of(path, depth)
        is_clean = true  -- one is enough
      end
    elseif mark == "'" then
      return nil  -- the transcoder would take 'this' for a string
    elseif mark == ":" then
      if not last or not is_object[depth] then
        return nil  -- … and a bare word for a name
      end
      path[depth] = last:gsub("[^%w_]", function(byte) return string.format("%%%02X", byte:byte()) end)
      local name = name_of(path, depth)
      if not seen[name] then
        seen[name] = true
        size = size + #name + 1
        if size > MOST_BYTES then
          return "!", ""
        end
        names[#names + 1] = name
      end
      last, is_value = nil, true
    elseif mark == "{" or mark == "[" then
      depth = depth + 1
      if depth > MOST_LEVELS then
        return "!", ""
      end
      local name = depth > 1 and mark == "[" and path[depth - 1] ~= "[]" and name_of(path, depth - 1)
      if name and not lists[name] then
        lists[name], lists[#lists + 1] = true, in_snake_case(name)
      end
      is_object[depth], is_value = mark == "{", false
      path[depth] = mark == "[" and "[]" or ""
    elseif mark == "," then
      if text:find("^%s*[,%]}]", at) then
        return nil  -- the transcoder would let a comma too many pass
      end
      last, is_value = nil, false
    else
      path[depth], is_object[depth] = nil, nil
      depth = depth - 1
      if depth < 0 then
        return nil
      end
    end
  end
  return table.concat(names, ","), table.concat(lists, ",")
end

-- Of a write all names in the query: a password in an address is in logs and histories. Of a read those without a
-- value, which the transcoder would pass over, and those of ids, which may stand in the path, too.
local function asked_in(headers)
  local query = (headers:get(":path") or ""):match("%?([^#]*)")
  local is_read = headers:get(":method") == "GET" or headers:get(":method") == "HEAD"
  local names = {}
  if query and #query > MOST_BYTES then
    return "!"
  end
  for pair in (query or ""):gmatch("[^&]+") do
    local name = pair:match("^[^=]*")
    if not is_read or name == pair or name:find("[iI]d$") then
      name = name:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
      names[#names + 1] = "?" .. name:gsub("[^%w_.]", function(byte) return string.format("%%%02X", byte:byte()) end)
    end
  end
  return table.concat(names, ",")
end

function envoy_on_request(handle)
  local asked = asked_in(handle:headers())
  if asked ~= "" then
    handle:headers():replace("x-wasl-fields", asked)
  end
  local body = handle:body()
  if not body then
    return
  end
  local text = body:getBytes(0, body:length())
  if not text:find("^%s*{") then
    return  -- no object: the transcoder refuses it by itself, or it is a field of a plain type
  end
  local is_clean = is_utf8(text)
  local names, lists = names_in(text, is_clean)
  if names then
    handle:streamInfo():dynamicMetadata():set("wasl", "lists", lists)
    if not is_clean then
      text = text:gsub("[\128-\255]", "?")
    end
    text = text:gsub('"(%l%a*Id)"(%s*:)', function(name, colon)
      return '"' .. in_snake_case(name) .. '"' .. colon
    end)
    body:setBytes(text)
    handle:headers():replace("content-length", tostring(#text))
    names = asked == "" and names or names .. "," .. asked
    handle:headers():replace("x-wasl-fields", names)  -- a handle from before body() would be dead by now
  else
    body:setBytes("{")  -- the transcoder's refusal of this is the right one for all that is no JSON
  end
end
