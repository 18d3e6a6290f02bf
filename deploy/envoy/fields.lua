-- What the transcoder does not tell, or lets pass, is made known here:
-- * it drops unknown JSON fields without a word, and takes "yes" for true, one value for a list, an object for a time,
--   and leaves out what is null in a list. So the names that a body holds are listed in x-wasl-fields with what each is
--   ("person=object,person.of_age=bool,lines=list,lines[]=object"), and the service, which knows the messages, refuses
--   what does not fit;
-- * it takes a field that is given twice, in one spelling or in two, so that is listed as "title=twice";
-- * it names no field when a text is not UTF-8 or a number is beyond all limits. They are listed as "statement.ar=bytes"
--   and "quantity=beyond", and in place of the body an empty one goes on: the service refuses it for what is listed;
-- * it refuses a list where one value belongs without naming the field, so refusals.lua is told which hold lists;
-- * it compares an id with that of the address under the contract's spelling only, so a body's "…Id" gets that;
-- * it lets a query replace what the body or the path says, so its names are listed as "?statement".
-- So it needs no JSON parser: strings, brackets, colons, commas. What the transcoder is too lenient with is no JSON here.

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

-- Is half of a surrogate pair escaped here? `text` is a JSON string's.
local function has_half_pair(text)
  if not text:find("\\u[dD]") then
    return false
  end
  text = text:gsub("\\\\", ""):gsub("\\u[dD][89abAB]%x%x\\u[dD][c-fC-F]%x%x", "")
  return text:find("\\u[dD][89a-fA-F]%x%x")
end

-- What stands bare in JSON: nil when it is nothing.
local function kind_of(bare)
  if bare == "true" or bare == "false" then
    return "bool"
  elseif bare == "null" then
    return "null"
  end
  local number = tonumber(bare)
  return number and (math.abs(number) == math.huge and bare:find("%d") and "beyond" or "number")
end

-- The names and kinds; "!", which is no name, when there are more than fit; nil when the text is no JSON. And the names
-- that hold a list, in the contract's spelling. And whether the transcoder can read it all; if not, what is listed will
-- be refused. `is_clean`: all is UTF-8.
local function fields_in(text, is_clean)
  local listed, seen, size, lists, is_readable = {}, {}, 0, {}, true
  local depth, is_object, path = 0, {}, {}  -- the open brackets, and the name under which each stands
  local given = {}                          -- of each open object: the names so far, in the contract's spelling
  local at, last = 1, nil                   -- last: the string that may turn out to be a name
  local is_value, is_over = false, false    -- is what comes next a value? Is the object at its end?

  local function list(kind)  -- what stands at `path`
    local name = name_of(path, depth) .. (is_object[depth] and "=" or "[]=") .. kind
    if not seen[name] then
      seen[name], listed[#listed + 1] = true, name
      size = size + #name + 1
      if kind == "bytes" or kind == "beyond" or name:find("%%") then
        is_readable = false
      end
      if kind == "list" and is_object[depth] then
        lists[#lists + 1] = in_snake_case(name:sub(1, -6))
      end
    end
    is_value = false
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
      kind = kind_of(text:sub(at, found - 1):match("^%s*(.-)%s*$"))
    end
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
      until not escape
      last = text:sub(first, at - 2)
      if last:find("%c") then
        return nil  -- RFC 8259, 7: escaped or not at all
      end
      if is_value then
        kind = (is_clean or is_utf8(last)) and not has_half_pair(last) and "text" or "bytes"
      end
    elseif mark == "'" then
      return nil  -- the transcoder would take 'this' for a string
    elseif mark == ":" then
      if not last or not is_object[depth] then
        return nil  -- … and a bare word for a name
      end
      path[depth] = last:gsub("[^%w_]", function(byte) return string.format("%%%02X", byte:byte()) end)
      local name = in_snake_case(path[depth])
      if given[depth][name] then
        list("twice")
      end
      last, is_value, given[depth][name] = nil, true, true
    elseif mark == "{" or mark == "[" then
      kind = mark == "{" and "object" or "list"
    end
    if kind and depth > 0 then  -- less than that is the body itself
      list(kind)
      if size > MOST_BYTES then
        return "!", "", false
      end
    end
    if mark == "{" or mark == "[" then
      depth = depth + 1
      if depth > MOST_LEVELS then
        return "!", "", false
      end
      is_object[depth], is_value, given[depth] = mark == "{", mark == "[", {}
      path[depth] = mark == "[" and "[]" or ""
    elseif mark == "," then
      if text:find("^%s*[,%]}]", at) then
        return nil  -- the transcoder would let a comma too many pass
      end
      last, is_value = nil, not is_object[depth]
    elseif mark == "}" or mark == "]" then
      is_value = false
      path[depth], is_object[depth] = nil, nil
      depth = depth - 1
      is_over = depth == 0
    end
  end
  return table.concat(listed, ","), table.concat(lists, ","), is_readable
end

-- What the transcoder would take for true or false.
local BOOLEANS = {}
for _, word in ipairs({"true", "t", "yes", "y", "1", "false", "f", "no", "n", "0"}) do
  BOOLEANS[word] = "=text"
end

-- Of a write all names in the query: a password in an address is in logs and histories. Of a read those without a
-- value, which the transcoder would pass over, those of ids, which may stand in the path, too, and what could be a
-- boolean.
local function asked_in(headers)
  local query = (headers:get(":path") or ""):match("%?([^#]*)")
  local is_read = headers:get(":method") == "GET" or headers:get(":method") == "HEAD"
  local names = {}
  if query and #query > MOST_BYTES then
    return "!"
  end
  for pair in (query or ""):gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    local kind = value ~= "true" and value ~= "false" and BOOLEANS[value:lower()] or ""
    if not is_read or name == pair or name:find("[iI]d$") or kind ~= "" then
      name = name:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
      name = name:gsub("[^%w_.]", function(byte) return string.format("%%%02X", byte:byte()) end)
      names[#names + 1] = "?" .. name .. kind
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
  local listed, lists, is_readable = fields_in(text, is_utf8(text))
  if listed then
    handle:streamInfo():dynamicMetadata():set("wasl", "lists", lists)
    text = is_readable and text:gsub('"(%l%a*Id)"(%s*:)', function(name, colon)
      return '"' .. in_snake_case(name) .. '"' .. colon
    end) or "{}"
    body:setBytes(text)
    handle:headers():replace("content-length", tostring(#text))
    listed = asked == "" and listed or listed .. "," .. asked
    handle:headers():replace("x-wasl-fields", listed)  -- a handle from before body() would be dead by now
  else
    body:setBytes("{")  -- the transcoder's refusal of this is the right one for all that is no JSON
  end
end
