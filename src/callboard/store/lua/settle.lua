-- RabbitMQ has confirmed these messages. ARGV: 2… ids, each followed by its record's version when it was sent
-- One that has been retried by hand since then keeps its entry, which stands for a later message.
local sent = {}
for n = 2, #ARGV, 2 do
  local id = ARGV[n]
  local known = redis.call('HMGET', task_key(id), 'idem', 'requeued_version')
  if tonumber(known[2] or 0) <= tonumber(ARGV[n + 1]) then sent[#sent + 1] = id end
  settle_key(id, known[1])
end
if #sent > 0 then redis.call('ZREM', P .. 'outbox', unpack(sent)) end
return (#ARGV - 1) / 2
