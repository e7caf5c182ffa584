-- Put before every script. ARGV[1] is always the key prefix; ARGV[2] onwards is the script's own.
-- Every change of a record goes through `change`: one new version, one kept event, one publication.
-- All times are Redis's own clock, so that workers and web processes need not agree on theirs.
local P = ARGV[1]
local EVENTS_KEPT = 200
local TOMBSTONES = {rejected = true, deleted = true}
local TERMINAL = {succeeded = true, failed = true, cancelled = true}

local function int(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local NOW_MS = clock[1] * 1000 + math.floor(clock[2] / 1000)
local NOW = int(NOW_MS)

local function task_key(id) return P .. 'task:' .. id end
local function index(task_type, priority, status)
  return P .. 'idx:' .. task_type .. ':' .. priority .. ':' .. status
end

-- Who knows the task's type and priority hands them in; they are read otherwise.
local function change(id, kind, status, attempt, progress, stage, task_type, priority)
  local key = task_key(id)
  local version = redis.call('HINCRBY', key, 'version', 1)
  redis.call('HSET', key, 'e:' .. version,
    kind .. '|' .. NOW .. '|' .. status .. '|' .. attempt .. '|' .. progress .. '|' .. stage)
  if version > EVENTS_KEPT then redis.call('HDEL', key, 'e:' .. (version - EVENTS_KEPT)) end
  if not priority then
    local known = redis.call('HMGET', key, 'task_type', 'priority')
    task_type, priority = known[1] or '', known[2] or ''
  end
  local payload = '{"task_id":"' .. id .. '","version":' .. version .. ',"kind":"'
    .. (kind == 's' and 'state' or 'progress') .. '","task_type":"' .. task_type .. '","priority":"'
    .. priority .. '","status":"' .. status .. '","at_ms":' .. NOW
    .. ',"attempt":' .. attempt .. ',"progress":' .. progress .. ',"stage":'
    .. (stage == '' and 'null' or cjson.encode(stage)) .. '}'
  redis.call('PUBLISH', key .. ':updates', payload)
  redis.call('PUBLISH', P .. 'task_updates', payload)
  return version
end

local function move(id, task_type, priority, from, to)
  if from ~= to then
    redis.call('ZREM', index(task_type, priority, from), id)
    redis.call('ZADD', index(task_type, priority, to), 0, id)
  end
end

-- RabbitMQ has this task's message: its Idempotency-Key answers with the first answer from now on.
local function settle_key(id, idem)
  if idem then
    idem = P .. 'idem:' .. idem
    if redis.call('HGET', idem, 'task_id') == id then redis.call('HSET', idem, 'settled', 1) end
  end
end

-- When an attempt could have run: submitted, due, or retried by hand, whatever was last.
local function ready_ms(created, eta, requeued)
  return math.max(tonumber(created or NOW), tonumber(eta or 0), tonumber(requeued or 0))
end

local function keep(id, ttl_s)
  redis.call('EXPIRE', task_key(id), ttl_s)
  redis.call('EXPIRE', task_key(id) .. ':log', ttl_s)
end

-- Seconds for which the message of a task that must not run may still come: its delay, and a week in a queue.
local function message_life(id, due_ms)
  local due = tonumber(due_ms or redis.call('HGET', task_key(id), 'eta') or 0)
  return 604800 + math.ceil(math.max(due - NOW_MS, 0) / 1000)
end

-- A cancelled task's message still comes; this outlives a record that expires before.
local function bury(id, ttl_s, due_ms)
  local life = message_life(id, due_ms)
  if life > tonumber(ttl_s) then redis.call('SET', task_key(id) .. ':gone', 'cancelled', 'EX', int(life)) end
end

local function unindex(id, task_type, priority, status, tags)
  redis.call('ZREM', P .. 'all', id)
  redis.call('ZREM', index(task_type, priority, status), id)
  redis.call('ZREM', P .. 'due', id)
  redis.call('ZREM', P .. 'outbox', id)
  if tags then
    for _, tag in ipairs(cjson.decode(tags)) do redis.call('ZREM', P .. 'tag:' .. tag, id) end
  end
end

local function add_indexes(id, task_type, priority, status, tags)
  redis.call('ZADD', P .. 'all', 0, id)
  redis.call('ZADD', index(task_type, priority, status), 0, id)
  redis.call('SADD', P .. 'types', task_type)
  if tags then
    for _, tag in ipairs(cjson.decode(tags)) do
      redis.call('ZADD', P .. 'tag:' .. tag, 0, id)
      redis.call('ZADD', P .. 'tags', 0, tag)
    end
  end
end
