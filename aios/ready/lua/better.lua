-- Whether somebody stands before a granted syscall, should it end its slice now and enter again.
local order = cjson.decode(ARGV[1])
local entry = recall(order.id)
if not entry then return 0 end
local pool, best = root_of(entry.key), nil
for _, key in ipairs(lineage(entry.key)) do
    local head = not parked(key) and call('ZRANGE', P .. 'line:' .. key, 0, 0, 'WITHSCORES')
    if head and head[1] and (not best or tonumber(head[2]) < best) then best = tonumber(head[2]) end
end
if not best then return 0 end
local score
if policy.payer then
    local account = account_of(pool, policy.payer(entry))
    policy.settle(entry, account, order.served)
    entry.cost = math.max(order.left, LEAST_COST_SECONDS)
    score = policy.enter(entry, account, clock_of(pool))
else
    score = policy.enter(entry)
end
return best < score and 1 or 0
