-- One page of tasks, newest first, merged from one or more indexes.
-- ARGV: 2 upper bound of ZREVRANGEBYLEX, 3 lower bound, 4 limit, 5 records to look at at most,
--       6 number of fields f, f field names, number of filters, then per filter: field, number of
--       values, values; KEYS: the indexes. Returns last id looked at or '', then id, fields…
local upper, lower, limit, budget = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local at = 6
local function take() at = at + 1; return ARGV[at - 1] end
local fields, filters = {}, {}
for n = 1, tonumber(take()) do fields[n] = take() end
for n = 1, tonumber(take()) do
  local field, values = take(), {}
  for _ = 1, tonumber(take()) do values[take()] = true end
  filters[n] = {field, values}
end
local CHUNK = math.min(limit, 64)
local heads = {}
local function refill(key, from)
  local ids = redis.call('ZREVRANGEBYLEX', key, from, lower, 'LIMIT', 0, CHUNK)
  heads[key] = #ids > 0 and {ids, 1} or nil
end
for _, key in ipairs(KEYS) do refill(key, upper) end
local function next_id()
  local best, from
  for key, head in pairs(heads) do
    local id = head[1][head[2]]
    if not best or id > best then best, from = id, key end
  end
  if best then
    local head = heads[from]
    head[2] = head[2] + 1
    if not head[1][head[2]] then
      if #head[1] < CHUNK then heads[from] = nil else refill(from, '(' .. best) end
    end
  end
  return best
end
local function passes(key)
  for _, filter in ipairs(filters) do
    local value = redis.call('HGET', key, filter[1])
    if filter[1] == 'tags' then
      local found = false
      if value then
        for _, tag in ipairs(cjson.decode(value)) do found = found or filter[2][tag] end
      end
      if not found then return false end
    elseif not value or not filter[2][value] then
      return false
    end
  end
  return true
end
local rows, last, seen = {}, '', ''
while #rows < limit and budget > 0 do
  local id = next_id()
  if not id then return {'', rows} end
  if id ~= seen then
    seen = id
    budget = budget - 1
    last = id
    local key = task_key(id)
    if passes(key) then
      local row = redis.call('HMGET', key, unpack(fields))
      if row[1] then
        table.insert(row, 1, id)
        rows[#rows + 1] = row
      end
    end
  end
end
if not next_id() then last = '' end
return {last, rows}
