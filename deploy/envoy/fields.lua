-- The transcoder drops unknown JSON fields without a word. This lists the names that a body holds in x-wasl-fields
-- ("person.display_name.ar,statement"), and the service, which knows the messages, refuses what it does not know.
-- It reads no values, so it needs no JSON parser: strings, brackets, colons.

local MOST_BYTES, MOST_LEVELS = 4096, 32  -- of all names together; of objects and arrays inside each other

-- The names; "!", which is no name, when there are more than fit; nil when the text is no JSON.
local function names_in(text)
  local names, seen, size = {}, {}, 0
  local depth, is_object, path = 0, {}, {}  -- the open brackets, and the name under which each stands
  local at, last = 1, nil                   -- last: the string that may turn out to be a name
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
        at = stop + (escape and 2 or 1)
        last = text:sub(first, stop - 1)
      until not escape
    elseif mark == "'" then
      return nil  -- the transcoder would take 'this' for a string
    elseif mark == ":" then
      if not last or not is_object[depth] then
        return nil  -- … and a bare word for a name
      end
      path[depth] = last:gsub("[^%w_]", function(byte) return string.format("%%%02X", byte:byte()) end)
      local name = table.concat(path, ".", 1, depth):gsub("%.%[%]", "")  -- an array adds no name
      if not seen[name] then
        seen[name] = true
        size = size + #name + 1
        if size > MOST_BYTES then
          return "!"
        end
        names[#names + 1] = name
      end
      last = nil
    elseif mark == "{" or mark == "[" then
      depth = depth + 1
      if depth > MOST_LEVELS then
        return "!"
      end
      is_object[depth] = mark == "{"
      path[depth] = mark == "[" and "[]" or ""
    elseif mark == "," then
      last = nil
    else
      path[depth], is_object[depth] = nil, nil
      depth = depth - 1
      if depth < 0 then
        return nil
      end
    end
  end
  return table.concat(names, ",")
end

function envoy_on_request(handle)
  local body = handle:body()
  if not body then
    return
  end
  local text = body:getBytes(0, body:length())
  if not text:find("^%s*{") then
    return  -- no object: the transcoder refuses it by itself, or it is a field of a plain type
  end
  local names = names_in(text)
  if names then
    handle:headers():replace("x-wasl-fields", names)  -- a handle from before body() would be dead by now
  else
    body:setBytes("{")  -- the transcoder's refusal of this is the right one for all that is no JSON
  end
end
