-- RabbitMQ has confirmed these messages. ARGV: 2… ids, each followed by its record's version when it was sent
-- One that has been retried by hand since then keeps its entry, which stands for a later message.
local sent, idem = {}, {}
for n = 2, #ARGV, 2 do
  local id = ARGV[n]
  local known = redis.call('HMGET', task_key(id), 'idem', 'requeued_version')
  if tonumber(known[2] or 0) <= tonumber(ARGV[n + 1]) then sent[#sent + 1] = id end
  idem[id] = known[1]
end
-- The first write: also a full Redis does it, and with it the others.
if #sent > 0 then redis.call('ZREM', P .. 'outbox', unpack(sent)) end
for id, key in pairs(idem) do settle_key(id, key) end
return (#ARGV - 1) / 2
