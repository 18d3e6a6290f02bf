-- What the transcoder does not tell, or lets pass, is made known here:
-- * it drops unknown JSON fields without a word, takes "yes" for true, one value for a list and an object for a time,
--   leaves out what is null in a list, and joins what is given twice. So the names that a body holds are listed in
--   x-wasl-fields with what each is ("person=object,person.of_age=bool,lines=list,lines[]=object,title=twice"), and the
--   service, which knows the messages, refuses what does not fit;
-- * it names no field when a text is not UTF-8, a number is beyond all limits, or a list stands where one value belongs.
--   They are listed as "statement.ar=bytes", "quantity=beyond" and "etag=list", and an empty body goes on, which the
--   service refuses for what is listed. LISTS, which render.py puts above, are the names of all lists in requests;
-- * it takes "2027-1-1T1:0:0Z" and second 60 for times, so what is named as one is listed as "start_time=untimely";
-- * it compares an id with that of the address under the contract's spelling only, so a body's "…Id" gets that;
-- * it lets a query replace what the body or the path says, takes the last of two values, and passes over a name without
--   a value. So a query's names are listed, too: "?page_size=text,?own=nothing"; "?own" alone when its value is true or
--   false, which a text may be as well.
-- It is no JSON parser: it looks for strings, brackets, colons and commas, takes the words between for what they are, and
-- leaves to the transcoder what else is wrong. What the transcoder is too lenient with is no JSON here.

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

local function in_snake_case(name)
  return (name:gsub("%u", function(letter) return "_" .. letter:lower() end))
end

local function unescaped(text)  -- of an address
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function escaped(name)  -- so that it can stand in a header, between commas
  return (name:gsub("[^%w_.]", function(byte) return string.format("%%%02X", byte:byte()) end))
end

local function is_utf8(text)
  if text:find("[\128-\255]") then
    for _, sequence in ipairs(SEQUENCES) do
      text = text:gsub(sequence, ".")
    end
  end
  return not text:find("[\128-\255]")
end

-- Is half of a surrogate pair escaped here? `text` is a JSON string's.
local function has_half_pair(text)
  if not text:find("\\u[dD]") then
    return false
  end
  text = text:gsub("\\\\", "."):gsub("\\u[dD][89abAB]%x%x\\u[dD][c-fC-F]%x%x", ".")
  return text:find("\\u[dD][89a-fA-F]%x%x")
end

-- Where the string that begins at `at` ends; nil when it does not, or has an escape that JSON does not know.
local function end_of_string(text, at)
  while true do
    local stop = text:find('["\\]', at)
    if not stop then
      return nil
    elseif text:sub(stop, stop) == '"' then
      return stop
    elseif not text:find('^["\\/bfnrtu]', stop + 1) then
      return nil  -- the transcoder would drop the backslash
    end
    at = stop + 2
  end
end

-- RFC 3339, 5.6; a leap second has no Timestamp. How far each number goes, the transcoder knows.
local function is_time(text)
  local zone = text:match("^%d%d%d%d%-%d%d%-%d%d[Tt]%d%d:%d%d:[0-5]%d(.*)$")
  zone = zone and zone:gsub("^%.%d+", "")
  return zone and (zone == "Z" or zone == "z" or zone:find("^[+-]%d%d:%d%d$"))
end

-- "untimely": it does not look like the time that its name says it is (AIP-142).
local function kind_of_text(name, text)
  return in_snake_case(name):find("_time$") and not is_time(text) and "untimely" or "text"
end

-- What a word without quotation marks is. Lua knows more numbers than JSON: those the transcoder refuses.
local function kind_of(word)
  if word == "true" or word == "false" then
    return "bool"
  elseif word == "null" then
    return "null"
  end
  local number = tonumber(word)
  return number and (math.abs(number) == math.huge and word:find("%d") and "beyond" or "number")
end

-- The names and kinds, the first of them when there are more than fit; nil when the text is no JSON. And whether the body
-- may go on as it is. `is_clean`: all is UTF-8.
local function fields_in(text, is_clean)
  if text:find("[%z\1-\8\11\12\14-\31]") then
    return nil  -- RFC 8259, 2: the transcoder would take some of these for spaces
  end
  local entries, seen, size, may_go_on = {}, {}, 0, true
  local depth, is_object = 0, {}          -- the open brackets
  local above, names = {}, {}             -- of each: the path of what it is; of an object: the name that comes next
  local given = {}                        -- of each: the names so far, in the contract's spelling
  local at, last = 1, nil                 -- last: the string that may turn out to be a name
  local is_value, is_over = false, false  -- is what comes next a value? Is the object at its end?

  local function path()  -- of what comes next; an array adds no name
    if not is_object[depth] then
      return above[depth]
    end
    return above[depth] == "" and names[depth] or above[depth] .. "." .. names[depth]
  end

  local function note(kind)
    local name = path()
    local entry = name .. (is_object[depth] and "=" or "[]=") .. kind
    if seen[entry] then
      return
    end
    seen[entry], entries[#entries + 1] = true, entry
    size = size + #entry + 1
    local is_list_for_one = kind == "list" and is_object[depth] and not LISTS[in_snake_case(names[depth])]
    if kind == "bytes" or kind == "beyond" or is_list_for_one or name:find("%%") then  -- escaped: it may not be UTF-8
      may_go_on = false
    end
  end

  while true do
    local found = text:find("[\"'{}%[%],:]", at)
    if not found then
      break
    end
    if is_over then
      return nil  -- there is more behind the object
    end
    local mark = text:sub(found, found)
    local kind
    if is_value and (mark == "," or mark == "}" or mark == "]") then
      local word = text:sub(at, found - 1):match("%S+")  -- a second one is for the transcoder to refuse
      kind = kind_of(word)
      if kind == "number" and (word .. " "):find("%.%D") then
        return nil  -- the transcoder would take 5. for 5
      end
    end
    at = found + 1
    if mark == '"' then
      local stop = end_of_string(text, at)
      last = stop and text:sub(at, stop - 1)
      if not last or last:find("[\t\n\r]") then
        return nil  -- RFC 8259, 7: within strings they are escaped
      end
      at = stop + 1
      if is_value then
        local is_text = (is_clean or is_utf8(last)) and not has_half_pair(last)
        kind = is_text and kind_of_text(names[depth], last) or "bytes"
      end
    elseif mark == "'" then
      return nil  -- the transcoder would take 'this' for a string
    elseif mark == ":" then
      if not last or not is_object[depth] then
        return nil  -- … and a bare word for a name
      end
      names[depth] = escaped(last):gsub("%.", "%%2E")  -- what is written with escapes in JSON counts as unknown
      local name = in_snake_case(names[depth])
      if given[depth][name] then
        note("twice")
      end
      last, is_value, given[depth][name] = nil, true, true
    elseif mark == "{" or mark == "[" then
      kind = mark == "{" and "object" or "list"
    end
    if kind then
      if depth > 0 then  -- less than that is the body itself
        note(kind)
      end
      is_value = false
    end
    if mark == "{" or mark == "[" then
      above[depth + 1] = depth > 0 and path() or ""
      depth = depth + 1
      is_object[depth], is_value, names[depth], given[depth] = mark == "{", mark == "[", "", {}
    elseif mark == "," then
      if text:find("^%s*[,%]}]", at) then
        return nil  -- the transcoder would let a comma too many pass
      end
      last, is_value = nil, not is_object[depth]
    elseif mark == "}" or mark == "]" then
      is_value = false
      depth = depth - 1
      is_over = depth == 0
    end
    if size > MOST_BYTES or depth > MOST_LEVELS then
      return table.concat(entries, ","):sub(1, MOST_BYTES), false
    end
  end
  return table.concat(entries, ","), may_go_on
end

-- The same of the query.
local function asked_in(headers)
  local query = (headers:get(":path") or ""):match("%?([^#]*)") or ""
  local entries, given = {}, {}
  for pair in query:gmatch("[^&]+") do
    local name, sign, value = pair:match("^([^=]*)(=?)(.*)$")
    name, value = escaped(unescaped(name)), unescaped(value)
    local entry = "?" .. name
    if sign == "" then
      entry = entry .. "=nothing"
    elseif value ~= "true" and value ~= "false" then
      entry = entry .. "=" .. kind_of_text(name, value)
    end
    entries[#entries + 1] = entry
    local known = in_snake_case(name)
    given[known] = (given[known] or 0) + 1
    if given[known] == 2 then
      entries[#entries + 1] = "?" .. name .. "=twice"
    end
  end
  local listed = table.concat(entries, ",")
  return #listed > MOST_BYTES and listed:sub(1, MOST_BYTES) .. ",!" or listed
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
  local listed, may_go_on
  if text:find("^%s*{") then
    listed, may_go_on = fields_in(text, is_utf8(text))
  end
  if not listed then
    body:setBytes("{")  -- the transcoder's refusal of this is the right one for all that is no JSON
    return
  end
  listed = asked == "" and listed or listed .. "," .. asked
  -- No service takes a query's name with a dot; the transcoder would call a conflict with the body by the end of it.
  if may_go_on and not asked:find(".", 1, true) then
    text = text:gsub('"(%l%a*Id)"(%s*:)', function(name, colon) return '"' .. in_snake_case(name) .. '"' .. colon end)
  else
    text, listed = "{}", listed .. ",!"  -- "!" is no name: whatever else is listed, the service refuses this
  end
  body:setBytes(text)
  local headers = handle:headers()  -- anew: a handle from before body() would be dead by now
  headers:replace("content-length", tostring(#text))
  headers:replace("x-wasl-fields", listed)
end
